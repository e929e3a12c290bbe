"""Cells of several pictures in one heap, with how much each of them counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.learning_loop.material import Material

Floats: TypeAlias = NDArray[np.float64]

_ENOUGH = 1024.0  # cells: a picture of which more is known counts as much as this


@dataclass(frozen=True, eq=False)
class Pile:
    """What corrections say of cells; the work on many pictures is that on one long array."""

    vectors: NDArray[np.float32]  # (cells, width), see `Material`
    log_odds: Floats  # (cells, columns)
    phrases: NDArray[np.float32]  # (cells, phrases)
    certain: Floats  # (cells, columns)
    rejected: Floats  # (cells, columns)
    counts: Floats  # (cells,) for how many cells of its picture each of these stands
    owners: NDArray[np.int64]  # (cells,) number of the picture
    pictures: int

    @classmethod
    def of(cls, materials: Sequence[Material]) -> Pile:
        """The cells of one picture behind those of the other."""
        owners = np.repeat(np.arange(len(materials)), [len(each) for each in materials])
        totals = np.stack([each.totals for each in materials])
        # Numbers of (picture, kind): cells of a kind share what there is of it in the picture.
        groups = owners * totals.shape[1] + np.concatenate([each.kinds for each in materials])
        drawn = np.bincount(groups, minlength=totals.size)
        return cls(
            np.concatenate([each.vectors for each in materials]),
            np.concatenate([each.log_odds for each in materials]),
            np.concatenate([each.phrases for each in materials]),
            np.concatenate([each.certain for each in materials]),
            np.concatenate([each.rejected for each in materials]),
            (totals.ravel() / np.maximum(drawn, 1))[groups],
            owners,
            len(materials),
        )

    def about(self, columns: NDArray[np.bool_]) -> Pile:
        """The same cells as if nothing were known of the other concepts."""
        return replace(self, certain=self.certain * columns, rejected=self.rejected * columns)

    @cached_property
    def known(self) -> Floats:
        """(pictures,) how many cells are known of each."""
        of_cells = self.counts * (self.certain.sum(axis=1) + self.rejected.sum(axis=1))
        known: Floats = np.bincount(self.owners, of_cells, self.pictures).astype(np.float64)
        return known

    @cached_property
    def weights(self) -> Floats:
        """(pictures,) how much each known cell of one counts against those of the others.

        Cells of one picture are much alike, so its weight in all is the root of their number, and
        no more than that of a small picture.
        """
        weights: Floats = np.sqrt(np.minimum(self.known, _ENOUGH)) / np.maximum(self.known, 1e-12)
        return weights
