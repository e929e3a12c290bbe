"""Requests in work by name: how many a client has, how far each is, and who wants it stopped.

A job is named by the X-Request-Id that the client chose for its request. All but `Job.tell` and
`Job.is_stopped` is called on the event loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress

from ovseg_annotate.server.errors import JobExistsError, QuotaError
from ovseg_annotate.watch import Progress


class Job:
    """One request of one client."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self._progress: Progress | None = None
        self._followers: set[asyncio.Event] = set()
        self._when_stopped: Callable[[], None] | None = None
        self.has_ended = False

    @property
    def is_stopped(self) -> bool:
        return self._stop.is_set()

    def stop(self) -> None:
        """Ask the work to end."""
        self._stop.set()
        if self._when_stopped is not None:
            self._when_stopped()

    def when_stopped(self, call: Callable[[], None]) -> None:
        """What else is to be done then, such as leaving a queue."""
        self._when_stopped = call

    def tell(self, progress: Progress) -> None:
        """Pass on how far the work is; called by the thread that does it."""
        self._progress = progress
        with suppress(RuntimeError):  # the loop is closed: the server left this work behind
            self._loop.call_soon_threadsafe(self._wake)

    def end(self) -> None:
        self.has_ended = True
        self._wake()

    async def steps(self, patience: float) -> AsyncIterator[Progress | None]:
        """How far it is, each time that changes; None where nothing changed for a while.

        Some steps may be left out.
        """
        changed = asyncio.Event()
        self._followers.add(changed)
        told = None
        try:
            while not self.has_ended or self._progress is not told:
                if self._progress is not told:
                    told = self._progress
                    yield told
                    continue
                changed.clear()
                try:
                    async with asyncio.timeout(patience):
                        await changed.wait()
                except TimeoutError:
                    yield None
        finally:
            self._followers.discard(changed)

    def _wake(self) -> None:
        for follower in self._followers:
            follower.set()


class Jobs:
    """The jobs of all clients."""

    def __init__(self, most: int) -> None:
        self._most = most  # of one client at a time
        self._jobs: dict[tuple[str, str], Job] = {}
        self._counts: Counter[str] = Counter()
        self._begun = asyncio.Condition()

    @contextmanager
    def place(self, client: str) -> Iterator[None]:
        """Count a request against the quota of its client while the block runs."""
        if self._counts[client] >= self._most:
            raise QuotaError(
                f"this client has {self._most} requests in work, which is as many as it may; "
                "wait for one of them"
            )
        self._counts[client] += 1
        try:
            yield
        finally:
            self._counts[client] -= 1
            if not self._counts[client]:
                del self._counts[client]

    async def begin(self, client: str, name: str) -> Job:
        if (client, name) in self._jobs:
            raise JobExistsError(
                f"a request with the id {name} is in work; choose an X-Request-Id of its own for "
                "each request, or none"
            )
        job = self._jobs[client, name] = Job()
        async with self._begun:
            self._begun.notify_all()
        return job

    def end(self, client: str, name: str) -> None:
        job = self._jobs.pop((client, name), None)
        if job is not None:
            job.end()

    def find(self, client: str, name: str) -> Job | None:
        return self._jobs.get((client, name))

    async def wait_for(self, client: str, name: str, seconds: float) -> Job | None:
        """The job, which may be announced before its request has arrived."""
        try:
            async with asyncio.timeout(seconds), self._begun:
                await self._begun.wait_for(lambda: (client, name) in self._jobs)
        except TimeoutError:
            pass
        return self.find(client, name)
