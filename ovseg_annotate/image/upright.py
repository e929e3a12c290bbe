"""From stored samples to an upright RGB picture, strip by strip."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.errors import ImageError
from ovseg_annotate.geometry import Size
from ovseg_annotate.image.options import ReadingOptions
from ovseg_annotate.image.samples import Samples
from ovseg_annotate.image.stretch import ValueRange, full_range, stretched_range, to_bytes

_STRIP_PIXELS = 2**20
_SWAPPED = (5, 6, 7, 8)  # EXIF orientations whose rows are shown as columns


def rgb_of(
    samples: Samples, options: ReadingOptions, name: str
) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None, str]:
    """Pixels, the mask of those that were numbers (None: all), and how it was done."""
    values = turned_upright(samples.values, samples.orientation)
    chosen = _chosen_channels(samples, options, name)
    stretched = _is_stretched(values.dtype, options)
    ranges = {
        channel: stretched_range(values[:, :, channel], options.percentiles)
        if stretched
        else full_range(values.dtype)
        for channel in chosen
    }
    opacity = samples.opacity if options.ground != "ignore" and options.channels is None else "none"
    parts = [samples.source, f"channels {', '.join(map(str, chosen))} of {values.shape[2]}"]
    if samples.orientation != 1:
        parts.append(f"orientation {samples.orientation}")
    if stretched:
        spans = ", ".join(f"{channel}: {span}" for channel, span in ranges.items())
        parts.append(f"stretch {options.percentiles[0]:g}-{options.percentiles[1]:g} % ({spans})")
    if opacity != "none":
        parts.append(f"transparency on {options.ground}")
    reading = "; ".join(parts)

    plain = values.dtype == np.uint8 and not stretched and opacity == "none"
    if plain and chosen == (0, 1, 2) and values.shape[2] == 3:
        return np.ascontiguousarray(values), None, reading
    pixels = _filled(values, chosen, ranges)
    if opacity != "none":
        ground = 255 if options.ground == "white" else 0
        _lay_on_ground(pixels, values[:, :, -1], ground, premultiplied=opacity == "premultiplied")
    return pixels, _finite_pixels(values, chosen), reading


def _is_stretched(dtype: np.dtype[Any], options: ReadingOptions) -> bool:
    if dtype == np.bool_ or options.stretch == "never":
        return False
    return options.stretch == "always" or dtype != np.uint8


def turned_upright(values: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Undo one of the eight EXIF orientations; a view, not a copy."""
    if orientation in _SWAPPED:
        values = values.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    return values


def upright_size(size: Size, orientation: int) -> Size:
    """The size after `turned_upright`."""
    return Size(size.width, size.height) if orientation in _SWAPPED else size


def _chosen_channels(samples: Samples, options: ReadingOptions, name: str) -> tuple[int, ...]:
    if options.channels is None:
        return tuple(range(min(3, samples.colours)))
    there = samples.values.shape[2]
    if max(options.channels) >= there:
        raise ImageError(
            f"{name}: there is no channel {max(options.channels)}; "
            f"it has {there}, counted from 0; choose others with channels"
        )
    return options.channels


def _filled(
    values: NDArray[Any], chosen: tuple[int, ...], ranges: dict[int, ValueRange]
) -> NDArray[np.uint8]:
    pixels = np.empty((*values.shape[:2], 3), np.uint8)
    if len(chosen) == 2:
        pixels[:, :, 2] = 0
    for rows in _strips(values):
        for place, channel in enumerate(chosen):
            strip = to_bytes(values[rows, :, channel], ranges[channel])
            if len(chosen) == 1:
                pixels[rows] = strip[:, :, np.newaxis]
            else:
                pixels[rows, :, place] = strip
    return pixels


def _lay_on_ground(
    pixels: NDArray[np.uint8], opacity: NDArray[Any], ground: int, *, premultiplied: bool
) -> None:
    for rows in _strips(opacity):
        cover = to_bytes(opacity[rows], full_range(opacity.dtype)).astype(np.uint16)
        colours = pixels[rows].astype(np.uint16)
        if not premultiplied:
            colours *= cover[:, :, np.newaxis]
            colours += 127
            colours //= 255
        colours += ((255 - cover) * ground // 255)[:, :, np.newaxis]
        pixels[rows] = np.minimum(colours, 255)


def _finite_pixels(values: NDArray[Any], chosen: tuple[int, ...]) -> NDArray[np.bool_] | None:
    if values.dtype.kind != "f":
        return None
    finite = np.ones(values.shape[:2], np.bool_)
    for rows in _strips(values):
        for channel in chosen:
            finite[rows] &= np.isfinite(values[rows, :, channel])
    return None if finite.all() else finite


def _strips(values: NDArray[Any]) -> list[slice]:
    height, width = values.shape[:2]
    rows = max(1, _STRIP_PIXELS // width)
    return [slice(top, min(top + rows, height)) for top in range(0, height, rows)]
