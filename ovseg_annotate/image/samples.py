"""What a file or an array holds before it becomes an RGB picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.errors import ImageError
from ovseg_annotate.geometry import Size
from ovseg_annotate.image.options import ReadingOptions

# A page may hold many channels of wide numbers; more than this many bytes for each pixel of
# the cap is a damaged or hostile header.
_MOST_BYTES_PER_PIXEL = 16


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """One plane as it was stored; orientation and opacity are not applied yet."""

    values: NDArray[Any]  # (height, width, channels); bool, integer or float, any strides
    source: str  # container, stored type and page, for provenance
    opacity: Literal["none", "straight", "premultiplied"] = "none"  # of the last channel
    orientation: int = 1  # EXIF, 1 to 8

    @property
    def colours(self) -> int:
        return int(self.values.shape[2]) - (self.opacity != "none")


def check_size(size: Size, options: ReadingOptions, name: str) -> None:
    """Refuse a picture whose header asks for too much, before anything is decoded."""
    if size.height < 1 or size.width < 1:
        raise ImageError(f"{name}: the picture has no pixels ({size})")
    if size.area > options.maximum_pixels:
        raise ImageError(
            f"{name}: {size} are {size.area:,} pixels; at most {options.maximum_pixels:,} are "
            "read; cut it into parts, make it smaller, or raise maximum_pixels"
        )


def check_decoded_bytes(decoded: int, options: ReadingOptions, name: str) -> None:
    """Refuse a page whose channels together would fill the memory."""
    allowed = options.maximum_pixels * _MOST_BYTES_PER_PIXEL
    if decoded > allowed:
        raise ImageError(
            f"{name}: decoded it would take {decoded:,} bytes; at most {allowed:,} are read; "
            "store fewer channels a page, or raise maximum_pixels"
        )


def check_page(pages: int, options: ReadingOptions, name: str) -> None:
    if options.page >= pages:
        raise ImageError(
            f"{name}: there is no page {options.page}; "
            f"it has {pages}, counted from 0; choose one with page"
        )


def samples_of_array(values: NDArray[Any], options: ReadingOptions, name: str) -> Samples:
    """Say which axes of a plain array are rows, columns and channels."""
    if values.dtype.kind not in "buif":
        raise ImageError(
            f"{name}: cannot show numbers of type {values.dtype}; "
            "expected bool, integer or real floating-point values"
        )
    if values.ndim == 2:
        values = values[:, :, np.newaxis]
    if values.ndim != 3:
        raise ImageError(
            f"{name}: expected (height, width) or (height, width, channels), got shape "
            f"{values.shape}; for a stack, choose one plane first"
        )
    if _channels_come_first(values, options, name):
        values = np.moveaxis(values, 0, 2)
    height, width, channels = values.shape
    check_size(Size(height, width), options, name)
    if channels < 1:
        raise ImageError(f"{name}: the picture has no channels (shape {values.shape})")
    # Four channels in the last place are RGBA everywhere in Python.
    opaque = channels != 4 or options.channels is not None
    return Samples(values, f"array {values.dtype}", "none" if opaque else "straight")


def _channels_come_first(values: NDArray[Any], options: ReadingOptions, name: str) -> bool:
    if options.channel_axis != "auto":
        return options.channel_axis == "first"
    first, middle, last = values.shape
    if last <= 4 or last < min(first, middle):
        return False
    raise ImageError(
        f"{name}: shape {values.shape} could be {first} channels, a stack of {first} planes, or "
        f"{last} channels; say channel_axis='first' or 'last', or pass one plane"
    )
