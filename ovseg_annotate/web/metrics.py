"""Counts and times in the text format of Prometheus."""

from __future__ import annotations

import bisect
import math
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 100.0)  # seconds
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Gauge:
    """A number that is read when somebody asks."""

    name: str
    kind: str  # "gauge", or "counter" for what only grows
    help: str
    read: Callable[[], float | None]  # None: there is nothing to tell on this machine


class Counts(Protocol):
    """What every cache counts."""

    @property
    def hits(self) -> int: ...

    @property
    def misses(self) -> int: ...


class Metrics:
    """Requests by route and status, how long they took, and gauges; safe to share."""

    def __init__(self, gauges: Iterable[Gauge] = ()) -> None:
        self._gauges = tuple(gauges)
        self._requests: dict[tuple[str, int], int] = {}
        self._times: dict[str, list[int]] = {}  # route -> one count a bucket, the rest last
        self._seconds: dict[str, float] = {}
        self._lock = threading.Lock()

    def observe(self, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        with self._lock:
            self._requests[route, status] = self._requests.get((route, status), 0) + 1
            times = self._times.setdefault(route, [0] * (len(_BUCKETS) + 1))
            times[bisect.bisect_left(_BUCKETS, seconds)] += 1
            self._seconds[route] = self._seconds.get(route, 0.0) + seconds

    def text(self) -> str:
        """Everything, as a scraper reads it."""
        with self._lock:
            requests = sorted(self._requests.items())
            times = sorted((route, tuple(counts)) for route, counts in self._times.items())
            seconds = dict(self._seconds)
        lines = _heading("ovseg_requests_total", "counter", "Answered requests.")
        for (route, status), count in requests:
            lines.append(
                f'ovseg_requests_total{{route="{_escaped(route)}",status="{status}"}} {count}'
            )
        name = "ovseg_request_seconds"
        lines += _heading(name, "histogram", "Time from request to answer.")
        for route, counts in times:
            label = f'route="{_escaped(route)}"'
            for limit, below in zip((*_BUCKETS, math.inf), accumulate(counts), strict=True):
                lines.append(f'{name}_bucket{{{label},le="{_number(limit)}"}} {below}')
            lines.append(f"{name}_sum{{{label}}} {_number(seconds[route])}")
            lines.append(f"{name}_count{{{label}}} {sum(counts)}")
        for gauge in self._gauges:
            value = gauge.read()
            if value is not None:
                lines += _heading(gauge.name, gauge.kind, gauge.help)
                lines.append(f"{gauge.name} {_number(value)}")
        return "\n".join(lines) + "\n"


def counted(what: str, counts: Callable[[], Counts]) -> tuple[Gauge, Gauge]:
    """What a cache found and what not, read when somebody asks."""
    name = f"ovseg_{what}"
    return (
        Gauge(f"{name}_hits_total", "counter", "Found.", lambda: counts().hits),
        Gauge(f"{name}_misses_total", "counter", "Not found.", lambda: counts().misses),
    )


def _heading(name: str, kind: str, sentence: str) -> list[str]:
    return [f"# HELP {name} {sentence}", f"# TYPE {name} {kind}"]


def _number(value: float) -> str:
    return "+Inf" if value == math.inf else f"{value:.10g}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
