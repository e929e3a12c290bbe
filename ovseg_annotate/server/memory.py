"""What was uploaded or decoded lately, by name, bounded by what it costs; safe between threads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, TypeVar

Value = TypeVar("Value")


@dataclass(slots=True)
class MemoryCounts:
    """What happened so far, for the metrics."""

    hits: int = 0
    misses: int = 0


class Memory(Generic[Value]):
    """What was used longest ago goes first; one thing alone is kept however much it costs."""

    def __init__(self, most: int) -> None:
        self.counts = MemoryCounts()
        self._most = most
        self._kept: OrderedDict[str, tuple[Value, int]] = OrderedDict()
        self._used = 0
        self._lock = threading.Lock()

    def get(self, name: str) -> Value | None:
        with self._lock:
            if name not in self._kept:
                self.counts.misses += 1
                return None
            self.counts.hits += 1
            self._kept.move_to_end(name)
            return self._kept[name][0]

    def put(self, name: str, value: Value, cost: int) -> None:
        with self._lock:
            before = self._kept.pop(name, None)
            self._used += cost - (0 if before is None else before[1])
            self._kept[name] = (value, cost)
            while self._used > self._most and len(self._kept) > 1:
                _, (_, dropped) = self._kept.popitem(last=False)
                self._used -= dropped
