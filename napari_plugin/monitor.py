"""What passes between a piece of work in its thread and the window: progress out, a stop in."""

from __future__ import annotations

import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Report:
    """Where a piece of work stands, for a progress bar."""

    text: str
    done: int = 0
    total: int = 0  # 0: nobody knows


class Monitor:
    """Written by one thread, read by another; only the latest report is kept."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._latest = Report("starting")

    @property
    def latest(self) -> Report:
        return self._latest

    def tell(self, report: Report) -> None:
        self._latest = report

    def stop(self) -> None:
        self._stop.set()

    def is_stopped(self) -> bool:
        return self._stop.is_set()
