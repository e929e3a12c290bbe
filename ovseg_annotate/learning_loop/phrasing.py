"""How phrases become the columns that learning sees, and what changes when some count less."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.card import FoldRule
from ovseg_annotate.lessons.phrase_weights import PhraseWeight, shared_phrases, weights_among
from ovseg_annotate.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True, eq=False)
class Phrasing:
    """The phrases that mean a labelled concept together with others."""

    vocabulary: Vocabulary
    owners: NDArray[np.int64]  # (phrases,) the column of each
    rule: FoldRule

    @classmethod
    def of(cls, vocabulary: Vocabulary, rule: FoldRule) -> Phrasing:
        labelled = [number for number, each in enumerate(vocabulary) if not each.negative]
        owners = [
            labelled.index(vocabulary.phrase_owners[place]) for place in shared_phrases(vocabulary)
        ]
        return cls(vocabulary, np.array(owners, np.int64), rule)

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(self.vocabulary.phrases[place] for place in shared_phrases(self.vocabulary))

    def parts(self, chosen: NDArray[np.bool_]) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """Columns that have chosen phrases, with the places of their phrases."""
        for column in np.unique(self.owners[chosen]).tolist():
            yield column, np.flatnonzero(self.owners == column)

    def folded(self, told: NDArray[np.float64]) -> NDArray[np.float64]:
        """(cells, phrases of one concept) nats -> (cells,) nats of the concept."""
        nats: NDArray[np.float64] = (
            told.max(axis=1) if self.rule == "max" else np.logaddexp.reduce(told, axis=1)
        )
        return nats


@dataclass(frozen=True, slots=True, eq=False)
class Weighing:
    """Learnt weights of phrases, as `lessons.weighed.Weighed` applies them."""

    phrasing: Phrasing
    weights: NDArray[np.float64]  # (phrases,)
    trading: NDArray[np.bool_]  # (columns,) those that share out anew what they have together

    @classmethod
    def from_learnt(
        cls,
        learnt: tuple[PhraseWeight, ...],
        phrasing: Phrasing,
        taught: NDArray[np.bool_],
    ) -> Weighing:
        return cls(phrasing, weights_among(learnt, phrasing.vocabulary), trading_with(taught))

    def reworded(
        self, log_odds: NDArray[np.float64], told: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """(cells, columns) of the words as they count now; `told` (cells, phrases) in nats."""
        changed = log_odds.copy()
        for column, own in self.phrasing.parts(self.weights != 1.0):
            said = told[:, own].astype(np.float64)
            change = self.phrasing.folded(said + np.log(self.weights[own]))
            changed[:, column] += change - self.phrasing.folded(said)
        before, after = log_odds[:, self.trading], changed[:, self.trading]
        total = np.logaddexp.reduce(before, axis=1) - np.logaddexp.reduce(after, axis=1)
        changed[:, self.trading] = after + total[:, None]
        return changed

    def learnt(self) -> tuple[PhraseWeight, ...]:
        """For a lesson: the phrases of all concepts in which some count otherwise."""
        names = [each.name.casefold() for each in self.phrasing.vocabulary if not each.negative]
        texts = self.phrasing.texts
        return tuple(
            PhraseWeight(names[column], texts[place], float(self.weights[place]))
            for column, own in self.phrasing.parts(self.weights != 1.0)
            for place in own
        )


def trading_with(taught: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The columns among which phrases shift: those that are taught, and none of the concepts."""
    trading = taught.copy()
    trading[-1] = True
    return trading
