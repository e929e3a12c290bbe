"""The published formula, written down once more without any economy: doubles, whole picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


def plain_pamr(
    scores: Numbers, guide: Numbers, iterations: int, dilations: tuple[int, ...]
) -> Numbers:
    """scores (k, h, w) and guide (c, h, w) -> (k, h, w)."""
    neighbours = _neighbours(guide, dilations)  # (r, c, h, w)
    samples = np.concatenate([neighbours, np.stack([guide] * len(dilations))])
    sigma = samples.std(axis=0, ddof=1)
    unlike = (np.abs(neighbours - guide) / (1e-8 + 0.1 * sigma)).mean(axis=1)
    weights = np.exp(unlike.min(axis=0) - unlike)
    weights /= weights.sum(axis=0)
    for _ in range(iterations):
        scores = np.einsum("rhw,rkhw->khw", weights, _neighbours(scores, dilations))
    return scores


def _neighbours(values: Numbers, dilations: tuple[int, ...]) -> Numbers:
    height, width = values.shape[1:]
    found = []
    for dilation in dilations:
        padded = np.pad(values, ((0, 0), (dilation, dilation), (dilation, dilation)), mode="edge")
        for down in range(0, 3 * dilation, dilation):
            for right in range(0, 3 * dilation, dilation):
                if (down, right) != (dilation, dilation):
                    found.append(padded[:, down : down + height, right : right + width])
    return np.stack(found)
