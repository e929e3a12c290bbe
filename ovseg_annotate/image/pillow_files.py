"""PNG, JPEG, WebP, BMP and GIF files, and the TIFF files whose compression needs Pillow.

The plugin of one format is called directly: `PIL.Image.open` scans all plugins on its first
call and measures pictures against a limit that is global to the process, so that one caller
could not raise it without raising it for all threads.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.geometry import Size
from ovseg_annotate.image.options import ReadingOptions
from ovseg_annotate.image.samples import Samples, check_page, check_size
from ovseg_annotate.image.upright import upright_size

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

# Format -> module of PIL and the class in it.
_PLUGINS = {
    "png": ("PngImagePlugin", "PngImageFile"),
    "jpeg": ("JpegImagePlugin", "JpegImageFile"),
    "webp": ("WebPImagePlugin", "WebPImageFile"),
    "bmp": ("BmpImagePlugin", "BmpImageFile"),
    "gif": ("GifImagePlugin", "GifImageFile"),
    "tiff": ("TiffImagePlugin", "TiffImageFile"),
}
_AS_STORED = frozenset({"L", "LA", "RGB", "RGBA", "I", "F", "I;16", "I;16L", "I;16B", "I;16N"})
_WIDE = frozenset({"I", "F", "I;16", "I;16L", "I;16B", "I;16N"})
_WIDE_COLOURS = frozenset({"RGB;16B", "RGBA;16B"})  # of which Pillow would drop the low byte
_ORIENTATION = 0x0112  # EXIF tag
_STRIP_PIXELS = 2**20


def read_with_pillow(file: BinaryIO, kind: str, options: ReadingOptions, name: str) -> Samples:
    """Decode one picture; the caller turns what the decoder raises into an ImageError."""
    image = _opened(file, kind, options, name)
    stored = image.mode
    raw_modes = {str(tile.args) for tile in image.tile}
    if raw_modes <= _WIDE_COLOURS:
        values = _both_bytes(image, file, kind, options, name)
        opacity = image.mode == "RGBA"
        stored += " 16 bit"
    else:
        if "LA;16B" in raw_modes:
            stored = "LA 8 of 16 bit"
        image.load()
        upright = _shown_as(image)
        opacity = upright.mode in ("LA", "RGBA")
        values = _array_of(upright)
    page = f", page {options.page}" if options.page else ""
    return Samples(
        values=values,
        source=f"{kind} {stored}{page}",
        opacity="straight" if opacity else "none",
        orientation=_orientation_of(image),
    )


def size_with_pillow(file: BinaryIO, kind: str, options: ReadingOptions, name: str) -> Size:
    """The size of the picture as it is shown."""
    image = _opened(file, kind, options, name)
    return upright_size(Size(image.height, image.width), _orientation_of(image))


def _opened(file: BinaryIO, kind: str, options: ReadingOptions, name: str) -> ImageFile:
    module, plugin = _PLUGINS[kind]
    file.seek(0)
    opener = getattr(importlib.import_module(f"PIL.{module}"), plugin)
    image: ImageFile = opener(file)  # told of a name, Pillow may take the pixels of such a file
    check_size(Size(image.height, image.width), options, name)
    if options.page:
        check_page(getattr(image, "n_frames", 1), options, name)
        for page in range(1, options.page + 1):
            # One after the other: a GIF draws each upon the one before, however large it is.
            image.seek(page)
            check_size(Size(image.height, image.width), options, name)
    return image


def _both_bytes(
    image: ImageFile, file: BinaryIO, kind: str, options: ReadingOptions, name: str
) -> NDArray[np.uint16]:
    """Decode 16-bit colours twice, once for each byte.

    PNG is big-endian; told that the same bytes are little-endian, Pillow keeps the other one.
    """
    image.load()
    values = _array_of(image).astype(np.uint16)
    values <<= 8
    again = _opened(file, kind, options, name)
    again.tile = [tile._replace(args=str(tile.args).replace(";16B", ";16L")) for tile in again.tile]
    again.load()
    values |= _array_of(again)
    return values


def _shown_as(image: ImageFile) -> Any:
    """The same picture in a mode that has a plain array."""
    if image.mode == "1":
        return image.convert("L")
    if image.mode in _WIDE:
        return image
    if image.mode in ("La", "RGBa", "PA") or image.has_transparency_data:
        return image if image.mode in ("LA", "RGBA") else image.convert("RGBA")
    return image if image.mode in _AS_STORED else image.convert("RGB")


def _array_of(image: Any) -> NDArray[Any]:
    """(height, width, channels), copied in strips: `np.asarray` would hold it three times."""
    width, height = image.size
    first = np.asarray(image.crop((0, 0, 1, 1)))
    channels = first.shape[2] if first.ndim == 3 else 1
    values = np.empty((height, width, channels), first.dtype.newbyteorder("="))
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        strip = np.asarray(image.crop((0, top, width, bottom)))
        values[top:bottom] = strip.reshape(bottom - top, width, channels)
    return values


def _orientation_of(image: ImageFile) -> int:
    # The picture itself is whole; damaged metadata beside it is no reason to refuse it.
    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except (OSError, SyntaxError, ValueError, KeyError, IndexError, TypeError):
        return 1
    return orientation if orientation in range(1, 9) else 1
