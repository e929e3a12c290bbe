"""Weighted cells of several pictures, as lessons are fitted to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.learning_loop.material import Material, some_of

Floats: TypeAlias = NDArray[np.float64]


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
        taken = some_of(materials, cells)
        certain = np.concatenate([_weights(each, each.certain) for each in taken])
        rejected = np.concatenate([_weights(each, each.rejected) for each in taken])
        return cls(
            np.concatenate([each.vectors for each in taken]).astype(np.float64),
            np.concatenate([each.log_odds for each in taken]),
            np.concatenate([each.phrases for each in taken]),
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


def _weights(material: Material, shares: Floats) -> Floats:
    """Concepts of one picture share its weight by the roots of their areas."""
    areas = shares * material.counts[:, None]
    known = np.sqrt(
        material.counts @ (material.certain.sum(axis=1) + material.rejected.sum(axis=1))
    )
    weights: Floats = areas / np.sqrt(np.maximum(areas.sum(axis=0), 1e-12))
    weights *= material.weight * known
    return weights
