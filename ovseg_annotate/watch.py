"""How work is followed and stopped. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ovseg_annotate.errors import Cancelled


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a piece of work stands."""

    stage: str  # "windows" or "pixels"
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Watch:
    """How a caller follows a piece of work and stops it."""

    progress: Callable[[Progress], None] | None = None
    cancel: Callable[[], bool] | None = None

    def also_stopped_by(self, other: Callable[[], bool]) -> Watch:
        """The same, stopped by either."""
        own = self.cancel
        return replace(self, cancel=other if own is None else lambda: own() or other())

    def step(self, stage: str, done: int, total: int) -> None:
        """Report, and raise `Cancelled` if the caller wants to stop."""
        self.stop_if_asked(f"at {stage}, {done} of {total} done")
        if self.progress is not None:
            self.progress(Progress(stage, done, total))

    def stop_if_asked(self, where: str) -> None:
        """Raise `Cancelled` if the caller wants to stop."""
        if self.cancel is not None and self.cancel():
            raise Cancelled(f"stopped on request {where}")
