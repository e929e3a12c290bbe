"""What a model is asked, with the answer beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.datasets.protocol import Protocol
from ovseg_annotate.evaluation.confusion import Labels
from ovseg_annotate.regions import Region
from ovseg_annotate.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One picture, the words asked of it and the true label of every pixel."""

    name: str
    pixels: NDArray[np.uint8]  # (height, width, 3)
    truth: Labels  # (height, width): k + 1 where concept k is, 0 where none of them is
    vocabulary: Vocabulary
    grounds: frozenset[str] = field(default=frozenset())  # concepts that lie behind the things
    ignore: int | None = None  # a value of the truth that does not count at all
    # Every single example of the concepts that can be counted; None: not told apart.
    instances: tuple[Region, ...] | None = None
    crowds: tuple[Region, ...] = ()  # areas of examples that nobody told apart
    # What the session is asked, its first labels those of `vocabulary`; None: `vocabulary` itself.
    asked: Vocabulary | None = None
    background: int | None = None  # the label of pixels that the session leaves unlabelled

    @property
    def present(self) -> tuple[int, ...]:
        """The labels that the truth has."""
        values: list[int] = np.unique(self.truth).tolist()
        return tuple(value for value in values if value not in (0, self.ignore))

    @property
    def absent(self) -> tuple[int, ...]:
        """The labels that are asked for and are not there."""
        there = {*self.present, self.background}
        return tuple(label for label in self.vocabulary.labels if label not in there)


@dataclass(frozen=True, slots=True)
class TrialSet:
    """Trials that are counted together."""

    name: str  # such as "easy, unseen pairs"
    count: int
    draw: Callable[[], Iterator[Trial]]  # in the same order each time
    protocol: Protocol | None = None  # what it settles about annotating; None: nothing
