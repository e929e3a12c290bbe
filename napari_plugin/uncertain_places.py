"""Where to look next: the places of a plane about which the engine was least sure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_plugin.drafts import Mask

_BLOCKS = 24  # across the shorter side
_SMALLEST_BLOCK = 8  # px
_PLACES = 50


@dataclass(frozen=True, slots=True)
class Place:
    """The middle of an uncertain area, and how uncertain it is."""

    row: float
    column: float
    size: int  # px, of the area
    uncertainty: float  # 0 to 1, mean over the area


def uncertain_places(margin: NDArray[np.float16], settled: Mask) -> tuple[Place, ...]:
    """The most uncertain areas, apart from one another, the most uncertain first.

    Single pixels say little: borders are uncertain everywhere. What a person has settled is
    certain.
    """
    side = max(_SMALLEST_BLOCK, min(margin.shape) // _BLOCKS)
    uncertainty = 1.0 - margin.astype(np.float32)
    uncertainty[settled] = 0.0
    means = _block_means(uncertainty, side)
    places: list[Place] = []
    while len(places) < _PLACES and (most := float(means.max(initial=0.0))) > 0.0:
        row, column = np.unravel_index(int(means.argmax()), means.shape)
        middle = ((int(row) + 0.5) * side, (int(column) + 0.5) * side)
        places.append(Place(*middle, side, most))
        means[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2] = 0.0
    return tuple(places)


def _block_means(values: NDArray[np.float32], side: int) -> NDArray[np.float64]:
    """The mean of each square of `side` px; those at the end may be smaller."""
    tops, lefts = np.arange(0, values.shape[0], side), np.arange(0, values.shape[1], side)
    sums = np.add.reduceat(np.add.reduceat(values, tops, axis=0), lefts, axis=1)
    heights = np.diff(np.append(tops, values.shape[0]))
    widths = np.diff(np.append(lefts, values.shape[1]))
    means: NDArray[np.float64] = sums.astype(np.float64) / np.outer(heights, widths)
    return means
