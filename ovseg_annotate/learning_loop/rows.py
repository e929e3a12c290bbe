"""Weighted cells of several pictures, as lessons are fitted to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.learning_loop.material import Material, some_of
from ovseg_annotate.learning_loop.pile import Floats, Pile


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Weighted cells of several pictures."""

    vectors: Floats  # (cells, width)
    log_odds: Floats  # (cells, columns)
    phrases: NDArray[np.float32]  # (cells, phrases), see `Material`
    certain: Floats  # (cells, columns) weights
    rejected: Floats  # (cells, columns) weights
    taught: NDArray[np.bool_]  # (columns,) may change; of the others the words rule

    @classmethod
    def of(cls, materials: Sequence[Material], cells: int) -> Rows:
        """Cells with weights that let neither a large picture nor a large area decide alone.

        The cells of one concept in one picture weigh the root of their area together.
        """
        pile = Pile.of(some_of(materials, cells))
        certain, rejected = _weights(pile, pile.certain), _weights(pile, pile.rejected)
        return cls(
            pile.vectors.astype(np.float64),
            pile.log_odds,
            pile.phrases,
            certain,
            rejected,
            (certain.sum(axis=0) + rejected.sum(axis=0)) > 0,
        )

    def without(self, columns: NDArray[np.bool_]) -> Rows:
        """The same cells, with more concepts that may not change."""
        return replace(self, taught=self.taught & ~columns)

    def only(self, columns: NDArray[np.bool_]) -> Rows:
        """The same cells as if there were no other concepts; these may all change."""
        return replace(
            self,
            log_odds=self.log_odds[:, columns],
            certain=self.certain[:, columns],
            rejected=self.rejected[:, columns],
            taught=np.ones(int(columns.sum()), np.bool_),
        )

    def __len__(self) -> int:
        return len(self.log_odds)


def _weights(pile: Pile, shares: Floats) -> Floats:
    """Concepts of one picture share its weight by the roots of their areas."""
    areas = shares * pile.counts[:, None]
    whole = np.zeros((pile.pictures, areas.shape[1]))
    np.add.at(whole, pile.owners, areas)
    factors = (pile.weights * np.sqrt(pile.known))[:, None] / np.sqrt(np.maximum(whole, 1e-12))
    weights: Floats = areas * factors[pile.owners]
    return weights
