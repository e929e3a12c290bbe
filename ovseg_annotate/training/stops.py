"""How a run is asked to stop: SIGTERM and SIGINT, heard between two steps."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol


class Stop(Protocol):
    """Whether a run is to stop, asked between two steps."""

    @property
    def asked(self) -> bool: ...


class StopWhen:
    """Asks whoever watches the run."""

    def __init__(self, wanted: Callable[[], bool]) -> None:
        self._wanted = wanted

    @property
    def asked(self) -> bool:
        return self._wanted()


class StopRequest:
    """Whether somebody has asked."""

    def __init__(self) -> None:
        self.asked = False

    def ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Turn the two signals into a request; elsewhere than in the main thread, none come."""
    stop = StopRequest()
    try:
        before = {one: signal.signal(one, stop.ask) for one in (signal.SIGTERM, signal.SIGINT)}
    except ValueError:
        before = {}
    try:
        yield stop
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def ignore_interrupts(worker: int) -> None:
    """For worker processes: signals can reach the whole group, and the loop ends its workers."""
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, signal.SIG_IGN)
