"""Cut a box out of a picture and bring it to a size, the way CLIP's own preprocessing does."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.geometry import Size

_BICUBIC_REACH = 2.0  # pixels of the source on either side, at scale 1


def resampled(
    pixels: NDArray[np.uint8], box: tuple[float, float, float, float], size: Size
) -> NDArray[np.uint8]:
    """The part `box` = (left, top, right, bottom) of (height, width, 3) at `size`, bicubic.

    The result is the same cut-out of the whole picture resized, at the memory of the box alone:
    Pillow reads source pixels beyond the box where the filter reaches over it.
    """
    left, top, right, bottom = box
    if all(side == int(side) for side in box) and (right - left, bottom - top) == (
        size.width,
        size.height,
    ):
        return pixels[int(top) : int(bottom), int(left) : int(right)]
    from PIL import Image as Pillow  # noqa: PLC0415  importing the core must not import Pillow

    height, width = pixels.shape[:2]
    reach_x = _BICUBIC_REACH * max(1.0, (right - left) / size.width) + 1
    reach_y = _BICUBIC_REACH * max(1.0, (bottom - top) / size.height) + 1
    first_column, first_row = max(0, math.floor(left - reach_x)), max(0, math.floor(top - reach_y))
    last_column = min(width, math.ceil(right + reach_x))
    last_row = min(height, math.ceil(bottom + reach_y))
    part = Pillow.fromarray(pixels[first_row:last_row, first_column:last_column])
    moved = (left - first_column, top - first_row, right - first_column, bottom - first_row)
    scaled = part.resize((size.width, size.height), Pillow.Resampling.BICUBIC, box=moved)
    return np.asarray(scaled)
