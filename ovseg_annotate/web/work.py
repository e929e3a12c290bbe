"""Requests in work: a few at a time, a few waiting, the rest asked to come again."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

from ovseg_annotate.errors import Cancelled, OvsegError
from ovseg_annotate.web.metrics import Gauge

Result = TypeVar("Result")
Stopped: TypeAlias = Callable[[], bool]

_LAST_WORD_SECONDS = 1.0  # for work that was told to stop to say so

_log = logging.getLogger(__name__)


class BusyError(OvsegError):
    """As many requests wait as may."""


class StoppingError(OvsegError):
    """The server is about to stop."""


@dataclass(slots=True, eq=False)
class _Job(Generic[Result]):
    key: str | None
    work: Callable[[Stopped], Result]
    future: Future[Result] = field(default_factory=Future)


class WorkQueue(Generic[Result]):
    """Runs work on a fixed number of threads; what a person waits for goes first.

    Work with a key is done once while it is asked for several times: somebody whose connection
    broke and who asks again joins what is still running.
    """

    def __init__(self, workers: int, waiting: int) -> None:
        self.joined = 0  # how often somebody joined what was in work already
        self._limit = waiting
        self._urgent: deque[_Job[Result]] = deque()
        self._patient: deque[_Job[Result]] = deque()
        self._by_key: dict[str, _Job[Result]] = {}
        self._running: set[Future[Result]] = set()
        self._running_patient = 0
        # Long batches leave one worker free for the person at the screen.
        self._most_patient = max(1, workers - 1)
        self._changed = threading.Condition()
        self._closing = False
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._serve, name=f"ovseg-work-{number}", daemon=True)
            for number in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def depth(self) -> int:
        """How many wait."""
        return len(self._urgent) + len(self._patient)

    @property
    def in_work(self) -> int:
        return len(self._running)

    @property
    def gauges(self) -> tuple[Gauge, ...]:
        """What the metrics tell of it."""
        return (
            Gauge("ovseg_queue_depth", "gauge", "Requests that wait.", lambda: self.depth),
            Gauge("ovseg_in_flight", "gauge", "Requests in work.", lambda: self.in_work),
            Gauge("ovseg_joined_total", "counter", "Repeated requests.", lambda: self.joined),
        )

    def submit(
        self, work: Callable[[Stopped], Result], *, key: str | None = None, urgent: bool = False
    ) -> Future[Result]:
        """Queue `work(stopped)`; raises BusyError or StoppingError.

        The future may be shared with others who asked the same: it must not be cancelled.
        """
        with self._changed:
            if self._closing:
                raise StoppingError("the server is stopping; ask again when it is back")
            if key is not None and key in self._by_key:
                self.joined += 1
                return self._by_key[key].future
            if self.depth >= self._limit:
                raise BusyError(
                    f"{self.in_work} requests are in work and {self.depth} wait, which is as many "
                    "as may; ask again in a moment, or send fewer tasks at a time"
                )
            job = _Job(key, work)
            (self._urgent if urgent else self._patient).append(job)
            if key is not None:
                self._by_key[key] = job
            self._changed.notify()
            return job.future

    def withdraw(self, future: Future[Result]) -> None:
        """Take back what nobody waits for any more, if it has not begun."""
        with self._changed:
            waiting = [*self._urgent, *self._patient]
            job = next((each for each in waiting if each.future is future), None)
            if job is None:
                return
            (self._urgent if job in self._urgent else self._patient).remove(job)
            self._forget(job)
        _fail(future, Cancelled("taken back before it had begun"))

    def begin_closing(self) -> None:
        """Refuse what waits and what comes; what is in work goes on."""
        with self._changed:
            self._closing = True
            waiting = [*self._urgent, *self._patient]
            self._urgent.clear()
            self._patient.clear()
            for job in waiting:
                self._forget(job)
            self._changed.notify_all()
        for job in waiting:
            _fail(
                job.future,
                StoppingError("the server stops and had not begun; ask again when it is back"),
            )

    def close(self, patience: float) -> None:
        """Let what is in work finish within `patience` seconds, then tell it to stop.

        Work that does not even stop is answered for and left behind: nobody waits for ever.
        """
        self.begin_closing()
        with self._changed:
            self._changed.wait_for(lambda: not self._running or self._stopped.is_set(), patience)
            self._stopped.set()
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._running, _LAST_WORD_SECONDS)
            left = list(self._running)
        for future in left:
            _log.warning("work that did not stop within %g s is left behind", patience)
            _fail(future, StoppingError("the server stopped before this was finished"))

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self._has_next())
                if not self._has_next():
                    return
                is_patient = not self._urgent
                job = (self._patient if is_patient else self._urgent).popleft()
                self._running.add(job.future)
                self._running_patient += is_patient
            _run(job, self._stopped.is_set)
            with self._changed:
                self._forget(job)
                self._running.discard(job.future)
                self._running_patient -= is_patient
                self._changed.notify_all()

    def _has_next(self) -> bool:
        may_be_patient = self._running_patient < self._most_patient
        return bool(self._urgent) or (may_be_patient and bool(self._patient))

    def _forget(self, job: _Job[Result]) -> None:
        """From now on the same question is a new one."""
        if job.key is not None and self._by_key.get(job.key) is job:
            del self._by_key[job.key]


def _run(job: _Job[Result], stopped: Stopped) -> None:
    try:
        result = job.work(stopped)
    except BaseException as error:  # whoever asked gets it
        _fail(job.future, error)
    else:
        with contextlib.suppress(InvalidStateError):  # answered for while it was closing
            job.future.set_result(result)


def _fail(future: Future[Result], error: BaseException) -> None:
    with contextlib.suppress(InvalidStateError):
        future.set_exception(error)
