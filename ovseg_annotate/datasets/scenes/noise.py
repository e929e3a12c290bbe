"""Random fields by lookup: a window of a fixed noise picture costs nearly nothing."""

from __future__ import annotations

import math
from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.geometry import Size

Field: TypeAlias = NDArray[np.float32]  # (height, width)

_SIDE = 384
# Repeated at the end, so that a window up to this size is a mere slice.
_REPEATED = 128


@cache
def _noise_picture(down: float, across: float) -> Field:
    """Noise that repeats without a seam, mean 0 and deviation 1, blurred this far each way."""
    rng = np.random.Generator(np.random.PCG64(round(1000 * down) * 100_003 + round(1000 * across)))
    picture = rng.standard_normal((_SIDE, _SIDE), dtype=np.float32)
    if down or across:
        from scipy import ndimage  # noqa: PLC0415  0.3 s of every start of the command line

        picture = ndimage.gaussian_filter(picture, (down, across), mode="wrap")
    picture -= picture.mean()
    picture /= picture.std()
    picture = np.pad(picture, (0, _REPEATED), mode="wrap")
    picture.setflags(write=False)
    return picture


def noise(size: Size, rng: np.random.Generator, down: float = 0.0, across: float = 0.0) -> Field:
    """A random window of noise whose grains are about this many pixels in size; read only."""
    picture = _noise_picture(down, across)
    top, left = (int(start) for start in rng.integers(0, _SIDE, 2))
    if max(size.height, size.width) <= _REPEATED:
        return picture[top : top + size.height, left : left + size.width]
    rows = np.arange(top, top + size.height) % _SIDE
    columns = np.arange(left, left + size.width) % _SIDE
    window: Field = picture[rows[:, None], columns]
    return window


def slope(size: Size, rng: np.random.Generator) -> Field:
    """A plane from 0 to 1 across the picture, in a random direction."""
    heading = rng.uniform(0, 2 * np.pi)
    down, across = math.sin(heading), math.cos(heading)
    whole = abs(down) + abs(across)
    y = np.arange(size.height, dtype=np.float32)[:, None] * np.float32(
        down / whole / max(size.height - 1, 1)
    )
    x = np.arange(size.width, dtype=np.float32) * np.float32(
        across / whole / max(size.width - 1, 1)
    )
    return y + x - np.float32((min(down, 0) + min(across, 0)) / whole)


def wave(count: int, rng: np.random.Generator, period: float) -> Field:
    """A smooth random line between -1 and 1."""
    t = np.arange(count, dtype=np.float32) / np.float32(period) * np.float32(2 * np.pi)
    phases = rng.uniform(0, 2 * np.pi, 3)
    total = sum(np.sin(t * rate + phase) for rate, phase in zip((1, 2.3, 4.1), phases, strict=True))
    return np.asarray(total, np.float32) / np.float32(3)
