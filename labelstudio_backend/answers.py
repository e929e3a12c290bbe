"""Finished answers, kept so that a request that is repeated after a time-out goes on.

Label Studio asks for all chosen tasks in one request, gives up after 100 seconds and stores
nothing. What was finished by then is here when it asks again, and what is still in work is
waited for instead of being done twice.
"""

from __future__ import annotations

import json
import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from labelstudio_backend.wire import Prediction
from ovseg_annotate.errors import Cancelled

_MEBIBYTE = 2**20


@dataclass(frozen=True, slots=True)
class AnswerCounts:
    """What happened so far, for metrics."""

    hits: int
    misses: int
    entries: int
    bytes: int


class Answers:
    """Predictions by key, bounded in bytes; safe to share between threads."""

    def __init__(self, limit: int = 256 * _MEBIBYTE) -> None:
        self._limit = limit
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._used = 0
        self._hits = 0
        self._misses = 0
        self._running: dict[str, Future[Prediction]] = {}
        self._lock = threading.Lock()

    @property
    def counts(self) -> AnswerCounts:
        with self._lock:
            return AnswerCounts(self._hits, self._misses, len(self._kept), self._used)

    def answer(self, key: str, make: Callable[[], Prediction]) -> Prediction:
        """The answer of this key with new region ids; `make` runs once while others wait."""
        while True:
            with self._lock:
                kept = self._found(key)
                running = self._running.get(key)
                if kept is None and running is None:
                    self._misses += 1
                    mine: Future[Prediction] = Future()
                    self._running[key] = mine
                    break
            if kept is not None:
                return _unpacked(kept).renewed()
            if running is not None:
                try:
                    return running.result().renewed()
                except Cancelled:
                    continue  # the other one was told to stop, this one was not
        return self._made(key, mine, make)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()
            self._used = 0

    def _made(
        self, key: str, future: Future[Prediction], make: Callable[[], Prediction]
    ) -> Prediction:
        try:
            prediction = make()
            packed = _packed(prediction)
        except BaseException as error:
            with self._lock:
                del self._running[key]
            future.set_exception(error)
            raise
        with self._lock:
            self._keep(key, packed)
            del self._running[key]
        future.set_result(prediction)
        return prediction

    def _found(self, key: str) -> bytes | None:
        kept = self._kept.get(key)
        if kept is not None:
            self._hits += 1
            self._kept.move_to_end(key)
        return kept

    def _keep(self, key: str, packed: bytes) -> None:
        if len(packed) > self._limit:
            return
        self._used += len(packed) - len(self._kept.pop(key, b""))
        self._kept[key] = packed
        while self._used > self._limit:
            _, dropped = self._kept.popitem(last=False)
            self._used -= len(dropped)


def _packed(prediction: Prediction) -> bytes:
    plain = [list(prediction.result), prediction.score, prediction.model_version]
    return zlib.compress(json.dumps(plain, allow_nan=False).encode("ascii"), 1)


def _unpacked(packed: bytes) -> Prediction:
    result, score, model_version = json.loads(zlib.decompress(packed))
    return Prediction(tuple(result), score, model_version)
