"""When to learn from corrections. Imports nothing heavy: the command line reads it."""

from __future__ import annotations

from dataclasses import dataclass

from ovseg_annotate.errors import OptionError
from ovseg_annotate.fine_tuning.options import FEWEST


@dataclass(frozen=True, slots=True)
class LearningOptions:
    """When to learn."""

    learn: bool = False  # from what people answer in projects that were connected with --learn
    learn_after: int = 5  # corrections after which a new version is tried without being asked
    fine_tune: bool = False  # the engine's own head, too, in a process of its own
    fine_tune_after: int = 20  # corrections that no fine-tuning has seen after which one begins

    def __post_init__(self) -> None:
        if self.learn_after < 1:
            raise OptionError(f"learn after {self.learn_after} is out of range; at least 1")
        if self.fine_tune_after < FEWEST:
            raise OptionError(
                f"fine-tune after {self.fine_tune_after} is out of range; at least {FEWEST}"
            )
        if self.fine_tune and not self.learn:
            raise OptionError("--fine-tune is a way of learning: give --learn, too")
