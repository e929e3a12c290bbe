"""PNG files whose pixels are numbers, not colours."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from ovseg_annotate.errors import FormatError
from ovseg_annotate.formats.atomic import atomic_file
from ovseg_annotate.formats.fields import MAXIMUM_PIXELS, read_bytes
from ovseg_annotate.geometry import Size
from ovseg_annotate.vocabulary import Colour

_NUMBER_MODES = ("1", "L", "P", "I;16", "I")
_BAD_PNG = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, OverflowError)


def write_index_png(
    path: Path,
    numbers: NDArray[np.uint8] | NDArray[np.uint16],
    palette: Sequence[Colour] = (),
) -> Path:
    """Write numbers (height, width); 8-bit ones may have a palette, one colour a number."""
    image = Image.fromarray(numbers)
    if palette:
        image.putpalette([part for colour in palette for part in colour])
    with atomic_file(path) as file:
        image.save(file, "PNG")
    return path


def read_index_png(path: Path) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Read the numbers (height, width) of a grey, palette or 16-bit PNG."""
    # Not from the open file: Pillow asks it for as many bytes as a chunk says it has.
    return png_numbers(io.BytesIO(read_bytes(path)), str(path))


def png_numbers(file: BinaryIO, where: str) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Read the numbers (height, width) of an open PNG."""
    image = open_png(file, where)
    if image.mode not in _NUMBER_MODES:
        raise FormatError(
            f"{where}: expected one number a pixel (grey, palette or 16-bit grey), "
            f"got a PNG in mode {image.mode}"
        )
    try:
        numbers = np.asarray(image)
    except _BAD_PNG as error:
        raise FormatError(f"{where}: a damaged PNG: {error}") from error
    if numbers.dtype == np.bool_:
        return numbers.astype(np.uint8)
    return numbers if numbers.dtype == np.uint8 else numbers.astype(np.uint16)


def png_size(file: BinaryIO, where: str) -> Size:
    """The size that a PNG declares; its pixels are not decoded."""
    image = open_png(file, where)
    return Size(image.height, image.width)


def open_png(file: BinaryIO, where: str) -> PngImageFile:
    """Read the header alone and refuse what no picture is that big."""
    try:
        # Not Image.open: its bomb check has one limit for all, far below a slide scan.
        image = PngImageFile(file)
    except _BAD_PNG as error:
        raise FormatError(f"{where} is not a PNG file: {error}") from error
    if not 0 < image.width * image.height <= MAXIMUM_PIXELS:
        size = Size(image.height, image.width)
        raise FormatError(f"{where}: {size} is more than {MAXIMUM_PIXELS} pixels")
    return image


def png_alpha(data: bytes, size: Size, where: str) -> NDArray[np.bool_]:
    """True where a PNG of this size is not wholly transparent."""
    image = open_png(io.BytesIO(data), where)
    if (image.height, image.width) != (size.height, size.width):
        raise FormatError(
            f"{where}: the PNG has {Size(image.height, image.width)}, the picture has {size}"
        )
    try:
        return np.asarray(image.convert("RGBA").getchannel("A")) > 0
    except _BAD_PNG as error:
        raise FormatError(f"{where}: a damaged PNG: {error}") from error


def png_of_alpha(mask: NDArray[np.bool_]) -> bytes:
    """A PNG of one bit a pixel: white where true, transparent elsewhere."""
    image = Image.fromarray(mask.view(np.uint8))
    image.putpalette([0, 0, 0, 255, 255, 255])
    file = io.BytesIO()
    image.save(file, "PNG", transparency=0, bits=1)
    return file.getvalue()
