"""A lesson: what corrections add to what the words say. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.card import EngineCard
from ovseg_annotate.errors import VersionError
from ovseg_annotate.lessons.phrase_weights import PhraseWeight
from ovseg_annotate.lessons.tuned_head import TunedHead

NOTHING = ""  # in place of a concept: none of them


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """Nats that are added to the log-odds of some concepts; those of all others stay.

    Offsets share out anew, everywhere, what the taught concepts have together. Lifts add where a
    cell looks like an anchor: exp((cosine - 1) / reach) of each, and nothing far from all of them;
    and the less, the more the words see there of labelled concepts that were not taught. Phrases
    of a concept that mislead count less than its others, before anything is added.
    """

    digest: str  # names what it was learnt from, and with what
    space: str  # EngineCard.space of the engine that it belongs to
    concepts: tuple[str, ...]  # taught ones, or NOTHING; names in lower case
    offsets: NDArray[np.float32]  # (concepts,)
    anchors: NDArray[np.float32]  # (anchors, width), unit length; (0, 0): none
    lifts: NDArray[np.float32]  # (anchors, concepts)
    reach: float = 1.0  # of an anchor, as a difference of cosines; above 0
    phrases: tuple[PhraseWeight, ...] = ()  # of taught concepts; all others count as they did
    head: TunedHead | None = None  # that the rest was learnt on top of; None: as it came

    def __post_init__(self) -> None:
        shapes = (self.offsets.shape, self.lifts.shape)
        expected = ((len(self.concepts),), (len(self.anchors), len(self.concepts)))
        if shapes != expected or self.anchors.ndim != 2 or not self.reach > 0:
            raise ValueError(f"a lesson of shapes {shapes} for {len(self.concepts)} concepts")
        if not all(np.isfinite(each).all() for each in (self.offsets, self.anchors, self.lifts)):
            raise ValueError("a lesson needs finite numbers")
        if not {each.concept for each in self.phrases}.issubset(self.concepts):
            raise ValueError("a lesson weighs phrases of taught concepts only")

    @property
    def head_alone(self) -> Lesson | None:
        """What a refresh starts from: the head without what else was learnt; None: as it came."""
        return None if self.head is None else lesson_of_head(self.head, self.space)

    def check_space(self, space: str) -> None:
        """Refuse another engine: its scores and vectors mean something else."""
        if space != self.space:
            raise VersionError(
                f"version {self.digest[:8]} was learnt with {self.space} and does not fit {space}; "
                "open the model that it was learnt with, or learn again from the corrections"
            )

    def check_engine(self, card: EngineCard) -> None:
        """Refuse another engine, and one whose phrases cannot be weighed where some are."""
        self.check_space(card.space)
        if self.phrases and card.folds is None:
            raise VersionError(
                f"version {self.digest[:8]} weighs phrases, and {card.name} does not tell how it "
                "folds them into concepts; if it runs on a server, update that server"
            )


def lesson_of_head(head: TunedHead, space: str) -> Lesson:
    """A lesson that is a tuned head and nothing on top of it."""
    nothing = np.zeros((0, 0), np.float32)
    return Lesson(head.digest, space, (), np.zeros(0, np.float32), nothing, nothing, head=head)
