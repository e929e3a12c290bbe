"""How near the borders of a suggestion are to the true ones.

A border pixel of a concept is one of its pixels with another label above, below, left or right of
it; the edge of the picture is no border. Precision is the share of suggested border pixels that
have a true one within the stated distance, recall the share of true ones that have a suggested
one, F their harmonic mean, as in "What is a good evaluation measure for semantic segmentation?"
(Csurka et al., BMVC 2013), section 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.evaluation.confusion import Labels


@dataclass(frozen=True, slots=True, eq=False)
class BorderCounts:
    """Border pixels of labels 1, 2, ...; add those of the pictures, then ask once."""

    true: NDArray[np.int64]  # (concepts,)
    true_found: NDArray[np.int64]  # of those, with a suggested one near
    suggested: NDArray[np.int64]
    suggested_right: NDArray[np.int64]  # of those, with a true one near

    @classmethod
    def of(
        cls,
        truth: Labels,
        suggestion: Labels,
        concepts: int,
        distance: float,
        ignore: int | None = None,
    ) -> BorderCounts:
        """Count one picture; pixels whose truth is `ignore` have no say."""
        if truth.shape != suggestion.shape:
            raise ValueError(
                f"truth {truth.shape} and suggestion {suggestion.shape} differ in size"
            )
        counted = np.ones(truth.shape, np.bool_) if ignore is None else truth != ignore
        counts = np.zeros((4, concepts), np.int64)
        for label in range(1, concepts + 1):
            there, said = _border(truth == label) & counted, _border(suggestion == label) & counted
            counts[:, label - 1] = (
                there.sum(),
                (there & _widened(said, distance)).sum(),
                said.sum(),
                (said & _widened(there, distance)).sum(),
            )
        return cls(*counts)

    @property
    def f_score(self) -> NDArray[np.float64]:
        """(concepts,) 0 to 1; NaN where neither side has a border."""
        recall = _share(self.true_found, self.true)
        precision = _share(self.suggested_right, self.suggested)
        either = (self.true > 0) | (self.suggested > 0)
        mean = _share(2 * precision * recall, precision + recall)
        return np.where(either, mean, np.nan)


def _border(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    padded = np.pad(mask, 1, mode="edge")
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    border: NDArray[np.bool_] = mask & ~inner
    return border


def _widened(mask: NDArray[np.bool_], distance: float) -> NDArray[np.bool_]:
    """All pixels whose centre is within the distance of a pixel of the mask."""
    if not mask.any():
        return mask
    reach = int(distance)
    height, width = mask.shape
    padded = np.pad(mask, reach)
    near = np.zeros_like(mask)
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            if down * down + right * right <= distance * distance:
                top, left = reach + down, reach + right
                near |= padded[top : top + height, left : left + width]
    return near


def _share(part: NDArray[np.number], whole: NDArray[np.number]) -> NDArray[np.float64]:
    """0 where there is nothing to take a share of."""
    shares = np.zeros(len(whole), np.float64)
    np.divide(part, whole, out=shares, where=np.asarray(whole) > 0)
    return shares
