"""How much a bounded search does: a little in every run of the tests, much in `make soak`."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Effort:
    """A seed, and how long to go on."""

    is_long: bool
    seed: int

    def rounds(self, *, short: int, long: int) -> int:
        return long if self.is_long else short

    def numbers(self, *, short: int, long: int, seconds: float) -> Iterator[int]:
        """Count rounds; on a slow machine a long search ends when its time is up."""
        ends_at = time.monotonic() + seconds
        for number in range(self.rounds(short=short, long=long)):
            if number >= short and time.monotonic() > ends_at:
                return
            yield number

    def chance(self, name: str) -> random.Random:
        """Of its own for each scenario, so that one does not shift the others."""
        return random.Random(f"{self.seed} {name}")  # noqa: S311
