"""Messages of Label Studio become rounds of learning, one after the other in the background."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from labelstudio_backend.rest import LabelStudioError
from labelstudio_backend.webhooks import START_TRAINING, Event, Receipt
from ovseg_annotate.errors import Cancelled, OvsegError
from ovseg_annotate.web.background import StillLoading

_ABOUT_ANSWERS = frozenset(
    {
        "ANNOTATION_CREATED",
        "ANNOTATION_UPDATED",
        "ANNOTATIONS_CREATED",
        "ANNOTATIONS_DELETED",
        "TASKS_DELETED",
    }
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stops:
    """What a round in work is asked to give up."""

    all: Callable[[], bool]  # learning, too: the server closes
    suggesting: Callable[[], bool]  # what is left to suggest: also when another round is due


class Rounds(Protocol):
    """Who learns; `learner.Learner` does."""

    def round(self, project: int, stops: Stops, *, asked: bool) -> str:
        """Learn in a project, and suggest anew until stopped; says what came of it."""

    def projects(self) -> Iterable[int]:
        """The numbers of all projects that were learnt from before."""

    def behind(self) -> Iterable[int]:
        """Those whose suggestions are not of the version that is in service."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to wait for what, in seconds."""

    quiet: float = 2.0  # without another message before a round begins
    longest: float = 10.0  # that a message waits for quiet, or for suggestions to end
    again: float = 60.0  # until a round is tried again that met no server or no weights
    look: float = 20.0  # between looks whether somebody put another version into service
    farewell: float = 5.0  # for a round in work to stop


@dataclass(slots=True)
class _Due:
    """A round that is to come."""

    first: float  # when the first message came
    begins: float
    asked: bool


class LearningDoor:
    """Takes messages at once and learns later; implements `webhooks.Events`."""

    def __init__(self, rounds: Rounds, pace: Pace | None = None) -> None:
        self._rounds = rounds
        self._pace = pace or Pace()
        self._due: dict[int, _Due] = {}
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._serve, name="ovseg-learn", daemon=True)

    def start(self) -> None:
        """Begin with what was answered while nobody listened."""
        for project in self._rounds.projects():
            self._hint(project)
        self._thread.start()

    def take(self, event: Event) -> Receipt:
        """Remember that there is something to look up."""
        if event.action == START_TRAINING:
            self._hint(event.project, asked=True)
            return Receipt(
                "learning begins; the log and 'versions' say what comes of it", began=True
            )
        if event.action in _ABOUT_ANSWERS:
            self._hint(event.project)
            return Receipt("noted; the answers are read in a moment")
        return Receipt("noted; nothing is learnt from it")

    def close(self) -> None:
        """Stop learning and suggesting, and let go; the next start does what is not done."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(self._pace.farewell)

    def _hint(self, project: int, *, asked: bool = False, wait: float | None = None) -> None:
        """A round is due when it has been quiet for a while; at once where somebody asked."""
        with self._changed:
            now = time.monotonic()
            due = self._due.setdefault(project, _Due(now, now, asked))
            due.asked |= asked
            latest = due.first + self._pace.longest
            due.begins = now if due.asked else min(now + self._pace.quiet, latest)
            if wait is not None:
                due.first = due.begins = now + wait
            self._changed.notify_all()

    def _serve(self) -> None:
        looked = time.monotonic()
        while (found := self._next(looked + self._pace.look)) is not None:
            project, asked = found
            if project is not None:
                self._learn(project, asked=asked)
            if time.monotonic() >= looked + self._pace.look:
                looked = time.monotonic()
                self._look()
        self._rounds.close()

    def _next(self, until: float) -> tuple[int | None, bool] | None:
        """The project whose round is due, or no project when it is time to look; None: the end."""
        with self._changed:
            while not self._closing:
                now = time.monotonic()
                first = min(self._due, key=lambda each: self._due[each].begins, default=None)
                if first is not None and self._due[first].begins <= now:
                    return first, self._due.pop(first).asked
                if now >= until:
                    return None, False
                begins = until if first is None else self._due[first].begins
                self._changed.wait(min(begins, until) - now)
        return None

    def _learn(self, project: int, *, asked: bool) -> None:
        try:
            stops = Stops(self._closes, lambda: self._is_wanted(project))
            said = self._rounds.round(project, stops, asked=asked)
        except Cancelled:
            return
        except OvsegError as error:
            _log.warning("project %d: %s", project, error)
            if isinstance(error, StillLoading) or _is_away(error):
                self._hint(project, asked=asked, wait=self._pace.again)
        except Exception:
            _log.exception("learning in project %d failed; this is a defect", project)
        else:
            _log.info("project %d: %s", project, said)

    def _closes(self) -> bool:
        with self._changed:
            return self._closing

    def _is_wanted(self, project: int) -> bool:
        """Whether the round in work is to stop suggesting, for another one or for good."""
        with self._changed:
            due = self._due.get(project)
            if due is None:
                return self._closing
            waited = time.monotonic() - due.first
            return self._closing or due.asked or waited > self._pace.longest

    def _look(self) -> None:
        try:
            behind = list(self._rounds.behind())
        except OvsegError as error:
            _log.warning("%s", error)
            return
        for project in behind:
            self._hint(project)


def _is_away(error: OvsegError) -> bool:
    return isinstance(error, LabelStudioError) and error.status is None
