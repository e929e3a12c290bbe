"""How good a way of learning is on corrections that it did not see."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.learning_loop.fitting import Fitted
from ovseg_annotate.learning_loop.material import BLOCKS, Material
from ovseg_annotate.learning_loop.pile import Floats, Pile

_FOLDS = 5
_PARTS = 2

Materials: TypeAlias = tuple[Material, ...]
# Learns from some corrections; None: from none of them.
Learner: TypeAlias = Callable[[Sequence[Material]], Fitted | None]


@dataclass(frozen=True, slots=True, eq=False)
class Quality:
    """What was right on corrections that were held back; add those of several turns."""

    right: Floats  # (columns, columns) weight: row = certain, column = suggested
    rejected: Floats  # (columns,) weight of what was rejected
    again: Floats  # (columns,) of that, what is suggested all the same

    @classmethod
    def of(cls, pile: Pile, fitted: Fitted | None) -> Quality:
        """Count the cells of corrections; as in learning, large pictures count little more."""
        logits = pile.log_odds
        if fitted is not None:
            logits = fitted.shifted(pile.vectors.astype(np.float64), logits, pile.phrases)
        winner = logits.argmax(axis=1)
        counts = (pile.weights[pile.owners] * pile.counts)[:, None]
        columns = logits.shape[1]
        right, again = np.zeros((columns, columns)), np.zeros(columns)
        np.add.at(right.T, winner, pile.certain * counts)
        rejected = pile.rejected * counts
        np.add.at(again, winner, rejected[np.arange(len(winner)), winner])
        return cls(right, rejected.sum(axis=0), again)

    def __add__(self, other: Quality) -> Quality:
        return Quality(
            self.right + other.right, self.rejected + other.rejected, self.again + other.again
        )

    @property
    def iou(self) -> Floats:
        """(columns,) with what was rejected and comes again counted as wrong; NaN: not known.

        Of a concept that is certain nowhere and was only rejected, the share that stays away.
        """
        hits, true = np.diag(self.right), self.right.sum(axis=1)
        union = true + self.right.sum(axis=0) - hits + self.again
        iou: Floats = np.divide(hits, union, out=np.full(len(hits), np.nan), where=true > 0)
        kept_away = np.isnan(iou) & (self.rejected > 0)
        iou[kept_away] = 1 - self.again[kept_away] / self.rejected[kept_away]
        return iou

    @property
    def value(self) -> float:
        """0 to 1: the mean over concepts; NaN when nothing is known at all.

        "None of them" counts where nothing else is known.
        """
        known = self.iou[~np.isnan(self.iou)]
        named = self.iou[:-1][~np.isnan(self.iou[:-1])]
        return float((named if len(named) else known).mean()) if len(known) else float("nan")


@dataclass(frozen=True, slots=True)
class HeldBack:
    """The same corrections, again and again some of them for judging and the others to learn."""

    turns: tuple[tuple[Materials, Pile], ...]  # to learn from, to judge by
    how: str  # for the person

    @classmethod
    def of(cls, materials: Sequence[Material]) -> HeldBack:
        """By picture; what is known of one picture only, by parts of that picture."""
        ordered = sorted(materials, key=lambda each: _shuffled(each.picture))
        pictures = sum((each.certain + each.rejected).any(axis=0) for each in ordered)
        lone = np.asarray(pictures == 1)
        turns = []
        for fold in range(min(_FOLDS, len(ordered)) if len(ordered) > 1 else 0):
            judged = Pile.of(ordered[fold::_FOLDS]).about(~lone)
            learnt = tuple(each for number, each in enumerate(ordered) if number % _FOLDS != fold)
            turns.append((learnt, judged))
        how = f"{len(ordered)} corrected pictures in {len(turns)} turns"
        if len(ordered) == 1:
            how = "parts of the one corrected picture, which say little of other pictures"
        elif lone.any():
            how += ", and parts of one for concepts that are in one only"
        return cls((*turns, *(_in_parts(ordered, lone) if lone.any() else ())), how)

    def quality(self, learner: Learner) -> Quality | None:
        """Of what is learnt each turn on what is held back; None when nothing can be."""
        counted: Quality | None = None
        for learnt, judged in self.turns:
            one = Quality.of(judged, learner(learnt))
            counted = one if counted is None else counted + one
        return counted


def _in_parts(
    materials: Sequence[Material], lone: NDArray[np.bool_]
) -> Iterator[tuple[Materials, Pile]]:
    """Two turns in which some concepts are judged by one half of their picture."""
    alone = [each for each in materials if (each.certain + each.rejected)[:, lone].any()]
    others = [each for each in materials if not any(each is other for other in alone)]
    halves = [[_part(each, number) for each in alone] for number in range(_PARTS)]
    if not all(len(each) for half in halves for each in half):
        return
    for judged, learnt in (halves, halves[::-1]):
        yield (*others, *learnt), Pile.of(judged).about(lone)


def _part(material: Material, number: int) -> Material:
    """Every second block of what was corrected, as on a chessboard."""
    down, across = np.divmod(material.blocks, BLOCKS)
    return material.part((down + across) % _PARTS == number)


def _shuffled(picture: str) -> bytes:
    """Neighbours by name are often neighbours in time: they shall not make one fold."""
    return hashlib.sha256(picture.encode()).digest()
