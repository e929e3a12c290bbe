"""One label a pixel, with how sure the engine was."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.geometry import Size
from ovseg_annotate.vocabulary import Vocabulary

UNLABELLED = 0


@dataclass(frozen=True, slots=True, eq=False)
class LabelMap:
    """The decision for a whole image; concept number k of the vocabulary is label k + 1."""

    labels: NDArray[np.unsignedinteger]  # (height, width) uint8 or uint16; UNLABELLED = 0
    confidence: NDArray[np.float16]  # (height, width), 0 to 1: probability of the winner
    margin: NDArray[np.float16]  # (height, width), 0 to 1: winner less runner-up
    vocabulary: Vocabulary  # with its negative concepts, the contrast phrases among them

    def __post_init__(self) -> None:
        shapes = {self.labels.shape, self.confidence.shape, self.margin.shape}
        if len(shapes) != 1 or self.labels.ndim != 2:
            raise ValueError(f"labels, confidence and margin differ in shape: {sorted(shapes)}")

    @property
    def size(self) -> Size:
        return Size(*self.labels.shape)


def label_dtype(vocabulary: Vocabulary) -> type[np.uint8] | type[np.uint16]:
    """The smallest type that holds every label of the vocabulary."""
    return np.uint8 if len(vocabulary) <= np.iinfo(np.uint8).max else np.uint16
