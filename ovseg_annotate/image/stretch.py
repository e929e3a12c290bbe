"""From numbers of any type to 0..255: the range of each channel, and the mapping."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Percentiles of a regular sample of this many pixels: a whole 20 000 x 20 000 picture would
# have to be copied and sorted for the same two numbers.
_SAMPLE_PIXELS = 2**20


@dataclass(frozen=True, slots=True)
class ValueRange:
    """The values that become 0 and 255; `low < high` always."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low:.6g} to {self.high:.6g}"


def full_range(dtype: np.dtype[Any]) -> ValueRange:
    """The range a type stands for: all of an unsigned integer, 0 to 1 of a float."""
    if dtype.kind in "ui":
        return ValueRange(0.0, float(np.iinfo(dtype).max))
    return ValueRange(0.0, 1.0)


def stretched_range(channel: NDArray[Any], percentiles: tuple[float, float]) -> ValueRange:
    """The percentiles of the finite values of one channel, (height, width).

    Where they coincide (a few bright spots on an even ground) smallest and largest value take
    their place; a channel of one single value keeps the full range of its type, so that an
    evenly red picture stays red.
    """
    step = max(1, int(np.ceil(np.sqrt(channel.size / _SAMPLE_PIXELS))))
    sample = _finite(channel[::step, ::step])
    if sample.size:
        low = float(np.percentile(sample, percentiles[0], method="lower"))
        high = float(np.percentile(sample, percentiles[1], method="higher"))
        if _can_be_told_apart(low, high):
            return ValueRange(low, high)
    low, high = _extremes(channel)
    return ValueRange(low, high) if _can_be_told_apart(low, high) else full_range(channel.dtype)


def to_bytes(values: NDArray[Any], over: ValueRange) -> NDArray[np.uint8]:
    """Map `over.low` to 0, `over.high` to 255 and clip; what is not a number becomes 0."""
    if values.dtype == np.uint8 and over == full_range(values.dtype):
        return values
    narrow = values.dtype.itemsize <= 2
    numbers: NDArray[np.floating[Any]] = values.astype(np.float32 if narrow else np.float64)
    if values.dtype.kind == "f":
        numbers[~np.isfinite(numbers)] = over.low
    np.clip(numbers, over.low, over.high, out=numbers)
    # Halves: the span of the largest doubles would not fit a double.
    half_span = over.high / 2 - over.low / 2
    numbers *= 0.5
    numbers -= over.low / 2
    numbers /= half_span
    numbers *= 255
    numbers += 0.5
    return numbers.astype(np.uint8)


def _can_be_told_apart(low: float, high: float) -> bool:
    return high / 2 - low / 2 > 0


def _extremes(channel: NDArray[Any]) -> tuple[float, float]:
    lows: list[float] = []
    highs: list[float] = []
    rows = max(1, _SAMPLE_PIXELS // channel.shape[1])
    for top in range(0, channel.shape[0], rows):
        strip = _finite(channel[top : top + rows])
        if strip.size:
            lows.append(float(strip.min()))
            highs.append(float(strip.max()))
    return (min(lows), max(highs)) if lows else (0.0, 0.0)


def _finite(values: NDArray[Any]) -> NDArray[Any]:
    return values[np.isfinite(values)] if values.dtype.kind == "f" else values.ravel()
