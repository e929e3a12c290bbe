"""What a fine-tuning can be told. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from ovseg_annotate.errors import OptionError

FEWEST = 4  # corrected pictures: of fewer, none can be held back and enough be left


@dataclass(frozen=True, slots=True)
class FineTuneOptions:
    """A short schedule from the head as it is now."""

    steps: int = 150  # at most
    learning_rate: float = 1e-3
    windows: int = 4  # a step
    concepts: int = 12  # asked of a window at once, where there are more: true ones and some others
    guess_weight: float = 0.25  # of what nobody looked at and the present version is sure of
    sure: float = 0.5  # its winner's probability, less that of the runner-up
    score_every: int = 10  # steps
    patience: int = 5  # scores on what is held back without a better one, and it ends
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "windows", "concepts", "score_every", "patience"):
            if getattr(self, name) < 1:
                raise OptionError(f"{name}: got {getattr(self, name)}; allowed: 1 or more")
        for name in ("guess_weight", "sure"):
            if not 0 <= getattr(self, name) <= 1:
                raise OptionError(f"{name}: got {getattr(self, name):g}; allowed: 0 to 1")
        if not 0 < self.learning_rate <= 1:
            raise OptionError(
                f"learning_rate: got {self.learning_rate:g}; allowed: above 0, up to 1"
            )
