"""Whether a suggestion is right as often as it says.

Expected calibration error as in "On calibration of modern neural networks" (Guo et al., ICML
2017), section 2: labelled pixels fall into bins of equal width by their confidence; the error is
the mean, over pixels, of how far the share of right ones in a bin is from the bin's mean
confidence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.evaluation.confusion import Labels

BINS = 15


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Counts a bin; add those of the pictures, then ask once."""

    pixels: NDArray[np.int64]  # (BINS,)
    right: NDArray[np.int64]  # (BINS,)
    confidence: NDArray[np.float64]  # (BINS,) sum over the pixels

    @classmethod
    def empty(cls) -> Calibration:
        return cls(np.zeros(BINS, np.int64), np.zeros(BINS, np.int64), np.zeros(BINS))

    @classmethod
    def of(
        cls,
        truth: Labels,
        suggestion: Labels,
        confidence: NDArray[np.floating],
        ignore: int | None = None,
    ) -> Calibration:
        """Count one picture; unlabelled pixels of the suggestion say nothing."""
        counted = suggestion != 0
        if ignore is not None:
            counted &= truth != ignore
        sure = confidence[counted].astype(np.float64)
        right = (truth[counted] == suggestion[counted]).astype(np.int64)
        # (low, high] as in the paper; a confidence of 0 belongs to the first bin.
        bins = np.clip(np.ceil(sure * BINS).astype(np.int64) - 1, 0, BINS - 1)
        return cls(
            np.bincount(bins, minlength=BINS),
            np.bincount(bins[right == 1], minlength=BINS),
            np.bincount(bins, sure, minlength=BINS).astype(np.float64),
        )

    def __add__(self, other: Calibration) -> Calibration:
        return Calibration(
            self.pixels + other.pixels,
            self.right + other.right,
            self.confidence + other.confidence,
        )

    @property
    def error(self) -> float:
        """0 to 1; NaN when nothing is labelled."""
        total = self.pixels.sum()
        gaps = np.abs(self.right - self.confidence).sum()
        return float(gaps / total) if total else float("nan")
