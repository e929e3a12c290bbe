"""Bytes of pictures that were fetched lately, so that one task is not downloaded twice."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace

_FRESH_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Fetched:
    """A picture file with what its server calls this version of it."""

    content: bytes
    validators: Mapping[str, str]  # empty: the server names no versions
    at: float = 0.0  # when it was fetched or confirmed


@dataclass(slots=True)
class FetchCounts:
    """What happened so far, for the metrics."""

    hits: int = 0
    misses: int = 0


class FetchedPictures:
    """Keeps files by address, bounded in bytes; safe to share between threads.

    For a while a file is taken as it is; after that its server is asked whether it has changed.
    """

    def __init__(
        self,
        memory_bytes: int = 256 * 2**20,
        fresh_seconds: float = _FRESH_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counts = FetchCounts()
        self._limit = memory_bytes
        self._fresh_seconds = fresh_seconds
        self._clock = clock
        self._kept: OrderedDict[str, Fetched] = OrderedDict()
        self._used = 0
        self._flying: dict[str, Future[bytes]] = {}
        self._lock = threading.Lock()

    def get(self, address: str, fetch: Callable[[Fetched | None], Fetched | None]) -> bytes:
        """The file; `fetch(known)` gives a new version, or None when `known` still holds.

        Threads that ask for an address at the same time share one fetch and its failure.
        """
        with self._lock:
            known = self._kept.get(address)
            if known is not None and self._clock() < known.at + self._fresh_seconds:
                self._kept.move_to_end(address)
                self.counts.hits += 1
                return known.content
            flight = self._flying.get(address)
            if flight is None:
                own: Future[bytes] = Future()
                self._flying[address] = own
                self.counts.misses += 1
            else:
                self.counts.hits += 1
        if flight is not None:
            return flight.result()
        try:
            content = self._landed(address, known, fetch)
        except BaseException as error:
            self._end(address).set_exception(error)
            raise
        self._end(address).set_result(content)
        return content

    def _landed(
        self,
        address: str,
        known: Fetched | None,
        fetch: Callable[[Fetched | None], Fetched | None],
    ) -> bytes:
        usable = known if known is not None and known.validators else None
        fetched = fetch(usable)
        if fetched is None:
            if usable is None:
                raise ValueError("nothing is known that could still hold")
            fetched = usable
        with self._lock:
            self._keep(address, replace(fetched, at=self._clock()))
        return fetched.content

    def _end(self, address: str) -> Future[bytes]:
        with self._lock:
            return self._flying.pop(address)

    def _keep(self, address: str, fetched: Fetched) -> None:
        before = self._kept.pop(address, None)
        self._used -= 0 if before is None else len(before.content)
        if len(fetched.content) > self._limit:
            return
        self._kept[address] = fetched
        self._used += len(fetched.content)
        while self._used > self._limit:
            _, dropped = self._kept.popitem(last=False)
            self._used -= len(dropped.content)
