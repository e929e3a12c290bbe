"""Small areas of even colour, to let pixels vote together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.errors import OptionError

# SLIC works on doubles in another colour space, about 100 bytes a pixel: block by block, a
# picture of any size needs little memory.
_BLOCK = 1024  # px


def superpixels(
    pixels: NDArray[np.uint8], area: int = 256, compactness: float = 10.0
) -> NDArray[np.int32]:
    """Cut a picture (height, width, 3) into areas of about `area` px, numbered from 1.

    A larger `compactness` gives rounder ones that follow the edges less.
    """
    if area < 1 or compactness <= 0:
        raise OptionError(
            f"superpixels: got area {area} and compactness {compactness:g}; "
            "expected an area of at least 1 px and a compactness above 0"
        )
    from skimage.segmentation import slic  # noqa: PLC0415  slow to import

    height, width = pixels.shape[:2]
    regions = np.zeros((height, width), np.int32)
    numbered = 0
    for top in range(0, height, _BLOCK):
        for left in range(0, width, _BLOCK):
            block = pixels[top : top + _BLOCK, left : left + _BLOCK]
            wanted = max(1, round(block.shape[0] * block.shape[1] / area))
            found = slic(block, wanted, compactness, start_label=1, channel_axis=-1)
            regions[top : top + _BLOCK, left : left + _BLOCK] = found + numbered
            numbered += int(found.max())
    return regions
