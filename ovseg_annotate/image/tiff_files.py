"""TIFF files: stacks, channels, tiles, planes, and every number type."""

from __future__ import annotations

import operator
import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.errors import ImageError
from ovseg_annotate.geometry import Size
from ovseg_annotate.image.options import ReadingOptions
from ovseg_annotate.image.samples import (
    Samples,
    check_decoded_bytes,
    check_page,
    check_size,
    samples_of_array,
)

# Photometric interpretations (TIFF 6.0, tag 262) that tifffile gives as they are stored.
_WHITE_IS_ZERO = 0
_COLOUR_CODED = frozenset({3, 5, 6, 8, 9, 10})  # palette, CMYK, YCbCr, the Lab kinds
_PREMULTIPLIED, _STRAIGHT = 1, 2  # ExtraSamples, tag 338
_ORIENTATION = 274
_MOST_TAGS = 4096  # of a page; tifffile follows a page with more no further


class NeedsPillow(Exception):  # noqa: N818  a way on, not a fault
    """tifffile has the numbers but not the colours, or lacks the decompressor."""


@dataclass(frozen=True, slots=True)
class _Stack:
    """The axes of a series that lie outside its pages, as (letter, length)."""

    series: Any
    outer: tuple[tuple[str, int], ...]
    channel_place: int | None  # which of `outer` counts channels

    @property
    def channels(self) -> int:
        return 1 if self.channel_place is None else self.outer[self.channel_place][1]

    @property
    def planes(self) -> int:
        return prod(length for _, length in self.outer) // self.channels

    def pages_of(self, plane: int) -> list[int]:
        """The pages that hold the channels of one plane, in order."""
        lengths = [length for _, length in self.outer]
        numbers = np.arange(prod(lengths)).reshape(lengths)
        if self.channel_place is not None:
            numbers = np.moveaxis(numbers, self.channel_place, -1)
        flat: list[int] = numbers.reshape(-1, self.channels)[plane].tolist()
        return flat


def read_tiff(source: Path | BinaryIO, options: ReadingOptions, name: str) -> Samples:
    """Decode one plane; raises NeedsPillow where Pillow is the better reader."""
    import tifffile  # noqa: PLC0415  importing the package must stay quick

    with tifffile.TiffFile(source) as file:
        if not file.pages:
            raise ImageError(f"{name}: the TIFF holds no picture; it may be cut off, copy it again")
        _check_has_an_end(file, name)
        if options.channel_axis == "last":
            return _channels_last(file, options, name)
        stacks = [_stack_of(series, options) for series in file.series]
        check_page(sum(stack.planes for stack in stacks), options, name)
        plane = options.page
        for stack in stacks:
            if plane < stack.planes:
                return _plane_of(stack, plane, options, name)
            plane -= stack.planes
    raise AssertionError("check_page lets no other page through")


def _check_has_an_end(file: Any, name: str) -> None:
    """Refuse pages that lead back to an earlier one, which tifffile follows again and again."""
    layout, handle = file.tiff, file.filehandle
    offset, seen = file.pages[0].offset, set()
    while 0 < offset < handle.size:
        if offset in seen:
            raise ImageError(
                f"{name}: the pages of the TIFF lead back to the one at byte {offset:,}; "
                "the file is damaged, copy or download it again"
            )
        seen.add(offset)
        handle.seek(offset)
        count = handle.read(layout.tagnosize)
        if len(count) < layout.tagnosize:
            return
        tags = struct.unpack(layout.tagnoformat, count)[0]
        if tags > _MOST_TAGS:
            return
        handle.seek(offset + layout.tagnosize + tags * layout.tagsize)
        following = handle.read(layout.offsetsize)
        if len(following) < layout.offsetsize:
            return
        offset = struct.unpack(layout.offsetformat, following)[0]


def _channels_last(file: Any, options: ReadingOptions, name: str) -> Samples:
    """Channels that were stored as the last axis of a cube without saying so."""
    series = file.series[0]
    _check_page_header(series.keyframe, options, name)
    check_decoded_bytes(series.nbytes, options, name)
    return samples_of_array(series.asarray(), options, name)


def _stack_of(series: Any, options: ReadingOptions) -> _Stack:
    shape = tuple(series.get_shape(squeeze=False))
    axes = str(series.get_axes(squeeze=False))
    page = series.keyframe
    inside = len(shape)
    while inside > 0 and prod(shape[inside:]) < page.size:
        inside -= 1
    outer = tuple(zip(axes[:inside], shape[:inside], strict=True))
    one_sample = page.samplesperpixel == 1
    place = axes[:inside].find("C") if one_sample else -1
    if place < 0 and one_sample and options.channel_axis == "first" and outer:
        place = max(range(inside), key=lambda axis: (outer[axis][1] > 1, axis))
    return _Stack(series, outer, None if place < 0 else place)


def _plane_of(stack: _Stack, plane: int, options: ReadingOptions, name: str) -> Samples:
    keyframe = stack.series.keyframe
    _check_page_header(keyframe, options, name)
    check_decoded_bytes(keyframe.nbytes * stack.channels, options, name)
    pages = stack.pages_of(plane)
    values = _page_values(stack.series, pages[0], options, name)
    if len(pages) > 1:
        layers = np.empty((len(pages), *values.shape[:2]), values.dtype)
        layers[0] = values[:, :, 0]
        for number, page in enumerate(pages[1:], start=1):
            layers[number] = _page_values(stack.series, page, options, name)[:, :, 0]
        values = np.moveaxis(layers, 0, 2)
    values = _full_bytes(values, keyframe)
    letters = "".join(letter for letter, length in stack.outer if length > 1)
    of = f", page {plane} of {stack.planes} ({letters or 'Y'})" if stack.planes > 1 else ""
    orientation = keyframe.tags.valueof(_ORIENTATION, 1)
    return Samples(
        values=values,
        source=f"tiff {values.dtype}{of}",
        opacity=_opacity_of(keyframe),
        orientation=orientation if orientation in range(1, 9) else 1,
    )


def _check_page_header(page: Any, options: ReadingOptions, name: str) -> None:
    check_size(Size(page.imagelength, page.imagewidth), options, name)
    if page.imagedepth != 1:
        raise ImageError(f"{name}: volumes in one TIFF page are not read; save one page a plane")
    if page.dtype is None or page.dtype.kind not in "buif":
        raise ImageError(
            f"{name}: cannot show numbers of type {page.dtype}; "
            "expected bool, integer or real floating-point values"
        )
    if page.is_tiled:
        # A tile is decoded whole, however little of it lies inside the picture.
        check_size(Size(page.tilelength, page.tilewidth), options, name)
    if page.photometric in _COLOUR_CODED:
        raise NeedsPillow


def _page_values(series: Any, number: int, options: ReadingOptions, name: str) -> NDArray[Any]:
    """One page as (height, width, samples)."""
    keyframe = series.keyframe
    if series.is_truncated:
        # ImageJ and tifffile write long stacks as one block behind the first page's header.
        values = _from_block(series, number, name)
    else:
        page = series[number]
        if page is None:
            raise ImageError(f"{name}: page {number} is missing; the file may be cut off")
        if page.keyframe is not keyframe:
            _check_belongs(page, series, name)
            _check_page_header(page.keyframe, options, name)
        _check_is_whole(page, name)
        values = _decoded(page)
    samples, _, height, width, inner = keyframe.shaped
    values = values.reshape(samples, height, width, inner)
    return np.moveaxis(values, 0, 2).reshape(height, width, -1) if samples > 1 else values[0]


def _check_belongs(page: Any, series: Any, name: str) -> None:
    """Refuse a page whose own header says something else than the first one of its stack."""
    own, first = page.keyframe, series.keyframe
    if (own.shaped, own.dtype) != (first.shaped, first.dtype):
        raise ImageError(
            f"{name}: page {page.index} is {own.imagewidth} x {own.imagelength} px of {own.dtype}, "
            f"and its stack {first.imagewidth} x {first.imagelength} px of {first.dtype}; the file "
            "is damaged, copy or download it again"
        )


def _decoded(page: Any) -> NDArray[Any]:
    try:
        values: NDArray[Any] = page.asarray(squeeze=False)
    except (ValueError, NotImplementedError) as problem:
        if "imagecodecs" in str(problem):
            raise NeedsPillow from problem
        raise
    return values


def _check_is_whole(page: Any, name: str) -> None:
    """Refuse a cut-off page: tifffile fills what lies behind the end of the file with zeros."""
    end = max(map(operator.add, page.dataoffsets, page.databytecounts), default=0)
    size = page.parent.filehandle.size
    if end > size:
        raise ImageError(
            f"{name}: the file is cut off: its pixels reach to byte {end:,}, "
            f"it has {size:,}; copy or download it again"
        )


def _from_block(series: Any, number: int, name: str) -> NDArray[Any]:
    offset, keyframe = series.dataoffset, series.keyframe
    if offset is None:
        raise ImageError(
            f"{name}: page {number} is announced and not there; the file may be cut off"
        )
    offset += number * keyframe.nbytes
    handle = keyframe.parent.filehandle
    if offset + keyframe.nbytes > handle.size:
        raise ImageError(f"{name}: the file is cut off before the end of page {number}")
    handle.seek(offset)
    dtype = keyframe.dtype.newbyteorder(keyframe.parent.byteorder)
    values: NDArray[Any] = np.frombuffer(handle.read(keyframe.nbytes), dtype)
    return values.astype(dtype.newbyteorder("="))


def _full_bytes(values: NDArray[Any], page: Any) -> NDArray[Any]:
    """Undo white-is-zero, and let 2 and 4 bits use their whole byte."""
    bits = page.bitspersample
    if values.dtype == np.uint8 and bits < 8:
        values = values * np.uint8(255 // (2**bits - 1))
    if page.photometric != _WHITE_IS_ZERO or values.dtype.kind not in "bu":
        return values
    inverted: NDArray[Any] = np.invert(values)
    return inverted


def _opacity_of(page: Any) -> Literal["none", "straight", "premultiplied"]:
    extras = tuple(page.extrasamples)
    if page.samplesperpixel not in (2, 4) or len(extras) != 1:
        return "none"
    if extras[0] == _PREMULTIPLIED:
        return "premultiplied"
    return "straight" if extras[0] == _STRAIGHT else "none"
