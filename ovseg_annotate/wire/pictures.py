"""Pictures as they are uploaded: a picture file as it is, or the pixels of one that was read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.errors import ImageError
from ovseg_annotate.image import Image, ReadingOptions, image_of_bytes
from ovseg_annotate.image.picture import key_of
from ovseg_annotate.wire.packets import is_packet, packed, unpacked

_KIND = "picture"


def picture_bytes(image: Image) -> bytes:
    """A picture that was read already, whole: pixels, how it was read, what is no number."""
    arrays: dict[str, NDArray[Any]] = {"pixels": image.pixels}
    if image.valid is not None:
        arrays["valid"] = image.valid
    return packed(_KIND, {"reading": image.reading}, arrays)


def picture_of(data: bytes, name: str, reading: ReadingOptions) -> Image:
    """Read an upload; `reading` says how a file is read, pixels are as they are."""
    if not is_packet(data, _KIND):
        return image_of_bytes(data, name, reading)
    packet = unpacked(data, _KIND, name)
    pixels = packet.array("pixels", np.uint8, 3)
    height, width, channels = pixels.shape
    if channels != 3 or not 0 < height * width <= reading.maximum_pixels:
        raise ImageError(
            f"{name}: pixels of shape {pixels.shape}; expected (height, width, 3) with at most "
            f"{reading.maximum_pixels:,} pixels"
        )
    valid = packet.array("valid", np.bool_, 2) if "valid" in packet.arrays else None
    if valid is not None and valid.shape != (height, width):
        raise ImageError(f"{name}: 'valid' has shape {valid.shape}, the picture {height, width}")
    return Image(pixels, key_of(pixels), packet.text("reading"), valid)
