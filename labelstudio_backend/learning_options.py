"""When to learn from corrections. Imports nothing heavy: the command line reads it."""

from __future__ import annotations

from dataclasses import dataclass

from ovseg_annotate.errors import OptionError


@dataclass(frozen=True, slots=True)
class LearningOptions:
    """When to learn."""

    learn: bool = False  # from what people answer in projects that were connected with --learn
    learn_after: int = 5  # corrections after which a new version is tried without being asked

    def __post_init__(self) -> None:
        if self.learn_after < 1:
            raise OptionError(f"learn after {self.learn_after} is out of range; at least 1")
