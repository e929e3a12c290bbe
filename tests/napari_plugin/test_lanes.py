from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from pytestqt.qtbot import QtBot

from napari_plugin.lanes import Errand, WorkerLane
from napari_plugin.monitor import Monitor


class Told:
    """What an errand told the main thread."""

    def __init__(self, work: Any) -> None:
        self.results: list[Any] = []
        self.ends: list[Exception | None] = []
        self.errand = Errand(work, self.results.append, self.ends.append)


class Gate:
    """Work that goes on when the test opens it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.entered = threading.Event()
        self.opened = threading.Event()

    def work(self, _monitor: Monitor) -> Iterator[str]:
        self.entered.set()
        self.opened.wait(20)
        yield self.name


def numbers(_monitor: Monitor) -> Iterator[int]:
    yield from range(3)


def failing(_monitor: Monitor) -> Iterator[int]:
    yield 1
    raise ValueError("broken")


def test_results_arrive_in_order_in_the_main_thread(qtbot: QtBot) -> None:
    lane, told, threads = WorkerLane(), Told(numbers), set()
    told.errand = Errand(
        numbers,
        lambda result: (told.results.append(result), threads.add(threading.current_thread())),
        told.ends.append,
    )
    lane.start(told.errand)
    qtbot.waitUntil(lambda: bool(told.ends), timeout=20_000)
    assert told.results == [0, 1, 2]
    assert threads == {threading.main_thread()}
    assert told.ends == [None]
    assert lane.monitor is None


def test_an_error_is_told_at_the_end(qtbot: QtBot) -> None:
    lane, told = WorkerLane(), Told(failing)
    lane.start(told.errand)
    qtbot.waitUntil(lambda: bool(told.ends), timeout=20_000)
    assert told.results == [1]
    assert str(told.ends[0]) == "broken"


def test_the_latest_wish_wins_and_the_former_is_not_told(qtbot: QtBot) -> None:
    lane, first, second = WorkerLane(), Gate("first"), Gate("second")
    old, never, new = Told(first.work), Told(numbers), Told(second.work)
    lane.start(old.errand)
    assert first.entered.wait(20)
    lane.start(never.errand)
    lane.start(new.errand)
    first.opened.set()
    second.opened.set()
    qtbot.waitUntil(lambda: bool(new.ends), timeout=20_000)
    assert (old.results, old.ends) == ([], [])
    assert (never.results, never.ends) == ([], [])
    assert new.results == ["second"]


def test_two_errands_never_run_at_once(qtbot: QtBot) -> None:
    lane, first, second = WorkerLane(), Gate("first"), Gate("second")
    lane.start(Told(first.work).errand)
    assert first.entered.wait(20)
    new = Told(second.work)
    lane.start(new.errand)
    assert not second.entered.is_set()
    assert lane.monitor is not None  # it is busy all the same
    first.opened.set()
    qtbot.waitUntil(second.entered.is_set, timeout=20_000)
    second.opened.set()
    qtbot.waitUntil(lambda: bool(new.ends), timeout=20_000)


def test_a_stopped_lane_is_idle_at_once_and_tells_nothing_more(qtbot: QtBot) -> None:
    lane, gate = WorkerLane(), Gate("late")
    told, after = Told(gate.work), Told(numbers)
    lane.start(told.errand)
    assert gate.entered.wait(20)
    monitor = lane.monitor
    assert monitor is not None
    lane.stop()
    assert lane.monitor is None
    assert monitor.is_stopped()
    gate.opened.set()
    lane.start(after.errand)
    qtbot.waitUntil(lambda: bool(after.ends), timeout=20_000)
    assert (told.results, told.ends) == ([], [])
