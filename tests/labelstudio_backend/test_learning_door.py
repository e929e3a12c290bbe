"""Messages become rounds: none is lost, many are one, and a round in work gives way."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from labelstudio_backend.errors import LearningError
from labelstudio_backend.learning_door import LearningDoor, Pace, Stops
from labelstudio_backend.rest import LabelStudioError
from labelstudio_backend.webhooks import START_TRAINING, Event
from ovseg_annotate.web.background import StillLoading

PATIENCE = 30.0  # s, for a busy machine
AT_ONCE = Pace(quiet=0.02, longest=0.1, again=0.02, look=PATIENCE)


@dataclass
class Told:
    """Rounds that wait until the test lets them end."""

    known: tuple[int, ...] = ()
    behind_now: tuple[int, ...] = ()
    errors: list[Exception] = field(default_factory=list)  # raised by the next rounds
    begun: queue.Queue[tuple[int, bool]] = field(default_factory=queue.Queue)
    may_end: threading.Event = field(default_factory=threading.Event)
    gave_way: threading.Event = field(default_factory=threading.Event)
    closed: threading.Event = field(default_factory=threading.Event)
    stopped_learning: bool = False  # and not only suggesting, when it gave way

    def round(self, project: int, stops: Stops, *, asked: bool) -> str:
        self.begun.put((project, asked))
        if self.errors:
            raise self.errors.pop(0)
        while not self.may_end.wait(0.01):
            if stops.suggesting():
                self.stopped_learning = stops.all()
                self.gave_way.set()
                break
        return "done"

    def projects(self) -> Iterable[int]:
        return self.known

    def behind(self) -> Iterable[int]:
        found, self.behind_now = self.behind_now, ()
        return found

    def close(self) -> None:
        self.closed.set()

    def next(self) -> tuple[int, bool]:
        """Project, and whether somebody asked, of the next round that begins."""
        return self.begun.get(timeout=PATIENCE)


@contextmanager
def opened(rounds: Told, pace: Pace = AT_ONCE) -> Iterator[LearningDoor]:
    door = LearningDoor(rounds, pace)
    door.start()
    try:
        yield door
    finally:
        rounds.may_end.set()
        door.close()


def message(project: int, action: str = "ANNOTATION_CREATED") -> Event:
    return Event(action, job="a job", project=project)


@pytest.fixture
def rounds() -> Told:
    return Told()


def test_a_message_is_taken_at_once_and_a_round_follows(rounds: Told) -> None:
    with opened(rounds) as door:
        receipt = door.take(message(3))
        assert not receipt.began
        assert rounds.next() == (3, False)


def test_start_training_begins_a_round_that_was_asked_for(rounds: Told) -> None:
    with opened(rounds) as door:
        assert door.take(message(3, START_TRAINING)).began
        assert rounds.next() == (3, True)


def test_what_does_not_concern_answers_begins_nothing(rounds: Told) -> None:
    with opened(rounds) as door:
        for action in ("PROJECT_UPDATED", "TASKS_CREATED"):
            door.take(message(3, action))
        door.take(message(4))
        assert rounds.next() == (4, False)


def test_many_messages_are_one_round(rounds: Told) -> None:
    with opened(rounds, Pace(quiet=0.3, look=PATIENCE)) as door:
        for _ in range(50):
            door.take(message(3))
        assert rounds.next() == (3, False)
        rounds.may_end.set()
        door.take(message(4))
        assert rounds.next() == (4, False)  # and not the third project a second time
        assert rounds.begun.empty()


def test_a_round_does_not_wait_for_quiet_for_ever(rounds: Told) -> None:
    with opened(rounds, Pace(quiet=PATIENCE, longest=0.05, look=PATIENCE)) as door:
        door.take(message(3))
        assert rounds.next() == (3, False)


@pytest.mark.parametrize("action", ["ANNOTATION_CREATED", START_TRAINING])
def test_a_message_during_a_round_makes_it_give_way_to_another_one(
    rounds: Told, action: str
) -> None:
    with opened(rounds) as door:
        door.take(message(3))
        rounds.next()
        door.take(message(3, action))
        assert rounds.gave_way.wait(PATIENCE)
        assert rounds.next() == (3, action == START_TRAINING)


def test_messages_of_another_project_do_not_disturb_a_round(rounds: Told) -> None:
    with opened(rounds) as door:
        door.take(message(3))
        rounds.next()
        door.take(message(4, START_TRAINING))
        rounds.may_end.set()
        assert rounds.next() == (4, True)
        assert not rounds.gave_way.is_set()


def test_what_was_answered_while_nobody_listened_is_looked_up_at_the_start() -> None:
    rounds = Told(known=(3, 7))
    with opened(rounds):
        assert {rounds.next()[0], _after(rounds)} == {3, 7}


def _after(rounds: Told) -> int:
    rounds.may_end.set()
    return rounds.next()[0]


def test_another_version_in_service_is_noticed() -> None:
    rounds = Told(behind_now=(5,))
    with opened(rounds, Pace(quiet=0.01, look=0.01)):
        assert rounds.next() == (5, False)


@pytest.mark.parametrize(
    "error", [StillLoading("the weights are on their way"), LabelStudioError("it is away")]
)
def test_what_will_pass_is_tried_again(rounds: Told, error: Exception) -> None:
    rounds.errors.append(error)
    with opened(rounds) as door:
        door.take(message(3, START_TRAINING))
        assert [rounds.next(), rounds.next()] == [(3, True), (3, True)]


@pytest.mark.parametrize(
    "error", [LearningError("connect it first"), LabelStudioError("no", 404), ZeroDivisionError()]
)
def test_what_will_not_pass_is_told_and_costs_no_other_round(
    rounds: Told, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    rounds.errors.append(error)
    with opened(rounds) as door, caplog.at_level(logging.WARNING):
        door.take(message(3))
        rounds.next()
        door.take(message(4))
        assert rounds.next() == (4, False)
        assert rounds.begun.empty()
    assert "project 3" in caplog.text


def test_closing_ends_a_round_and_lets_go(rounds: Told) -> None:
    door = LearningDoor(rounds, AT_ONCE)
    door.start()
    door.take(message(3))
    rounds.next()
    door.close()
    assert rounds.gave_way.is_set()
    assert rounds.stopped_learning
    assert rounds.closed.wait(PATIENCE)
