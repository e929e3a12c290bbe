"""Which labels were taken for which, counted over a whole data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Labels: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Confusion:
    """Pixel counts; add those of the pictures, then ask once.

    A data set's mean IoU is that of its summed counts, not the mean over its pictures.
    """

    counts: NDArray[np.int64]  # (labels, labels): row = truth, column = suggestion; 0 unlabelled

    @classmethod
    def empty(cls, concepts: int) -> Confusion:
        return cls(np.zeros((concepts + 1, concepts + 1), np.int64))

    @classmethod
    def of(
        cls, truth: Labels, suggestion: Labels, concepts: int, ignore: int | None = None
    ) -> Confusion:
        """Count one picture; pixels whose truth is `ignore` do not count at all."""
        if truth.shape != suggestion.shape:
            raise ValueError(
                f"truth {truth.shape} and suggestion {suggestion.shape} differ in size"
            )
        # int64 first: truth * labels wraps silently in uint8.
        rows, columns = truth.ravel().astype(np.int64), suggestion.ravel().astype(np.int64)
        if ignore is not None:
            counted = rows != ignore
            rows, columns = rows[counted], columns[counted]
        labels = concepts + 1
        largest = max(rows.max(initial=0), columns.max(initial=0))
        if largest >= labels or min(rows.min(initial=0), columns.min(initial=0)) < 0:
            raise ValueError(f"label {largest} for {concepts} concepts")
        counts = np.bincount(rows * labels + columns, minlength=labels * labels)
        return cls(counts.reshape(labels, labels))

    def __add__(self, other: Confusion) -> Confusion:
        return Confusion(self.counts + other.counts)

    @property
    def iou(self) -> NDArray[np.float64]:
        """(concepts,) intersection over union of labels 1, 2, ...; NaN where neither has any.

        Unlabelled pixels of the suggestion are misses of the true concept.
        """
        hits = np.diag(self.counts).astype(np.float64)[1:]
        union = self.counts.sum(axis=0)[1:] + self.counts.sum(axis=1)[1:] - hits
        iou: NDArray[np.float64] = np.full(len(hits), np.nan)
        np.divide(hits, union, out=iou, where=union > 0)
        return iou

    @property
    def mean_iou(self) -> float:
        """Over the concepts that occur in the truth or in the suggestion; NaN if none does."""
        iou = self.iou
        return float(iou[~np.isnan(iou)].mean()) if (~np.isnan(iou)).any() else float("nan")

    @property
    def pixel_accuracy(self) -> float:
        """Share of the labelled pixels of the truth that carry their label."""
        labelled = self.counts[1:].sum()
        return float(np.diag(self.counts)[1:].sum() / labelled) if labelled else float("nan")

    @property
    def unlabelled(self) -> float:
        """Share of all pixels that the suggestion leaves unlabelled."""
        total = self.counts.sum()
        return float(self.counts[:, 0].sum() / total) if total else float("nan")
