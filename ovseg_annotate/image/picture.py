"""The picture as the engines see it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.geometry import Size


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """An upright RGB picture."""

    pixels: NDArray[np.uint8]  # (height, width, 3), C order
    key: str  # sha256 of the pixels: names the picture in every cache
    reading: str  # how it was read, for provenance: orientation, channels, page, stretch
    valid: NDArray[np.bool_] | None = None  # (height, width); False where the source had no number

    @property
    def size(self) -> Size:
        return Size(*self.pixels.shape[:2])


def key_of(pixels: NDArray[np.uint8]) -> str:
    """`Image.key` of these pixels."""
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(pixels.reshape(-1).data)  # a view: hashing copies nothing
    return digest.hexdigest()
