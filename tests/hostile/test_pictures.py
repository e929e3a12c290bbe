"""Whatever a picture file declares, it costs what the limits allow: pixels, or an error."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from effort import Effort
from hostile.guard import Bounds, guarded, refusing
from hostile.mutations import mutated
from PIL import Image as PillowImage

from ovseg_annotate.image import ReadingOptions, image_of_bytes, read_image

NAME = "hostile.picture"
LIMITS = ReadingOptions(maximum_pixels=2**20, maximum_bytes=2**22)
# Sixteen bytes a pixel of the cap, and as much again while it becomes RGB.
BOUNDS = Bounds(seconds=5.0, memory=96 * 2**20)


def colours() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (20, 30, 3), np.uint8)


def of_pillow(kind: str, mode: str = "RGB", **options: object) -> bytes:
    file = io.BytesIO()
    PillowImage.fromarray(colours()).convert(mode).save(file, kind, **options)
    return file.getvalue()


def of_tifffile(array: np.ndarray, **options: object) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, array, **options)
    return file.getvalue()


def animated() -> bytes:
    file = io.BytesIO()
    frames = [PillowImage.fromarray(colours() // part) for part in (1, 2, 3)]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    return file.getvalue()


def with_exif(kind: str) -> bytes:
    exif = PillowImage.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a description"
    return of_pillow(kind, exif=exif)


DEPTH = np.arange(600, dtype=np.uint16).reshape(20, 30) * 100
SEEDS: dict[str, bytes] = {
    "png": of_pillow("PNG"),
    "png palette": of_pillow("PNG", "P"),
    "png alpha": of_pillow("PNG", "RGBA"),
    "png exif": with_exif("PNG"),
    "jpeg": of_pillow("JPEG"),
    "jpeg progressive": of_pillow("JPEG", progressive=True),
    "jpeg exif": with_exif("JPEG"),
    "gif": of_pillow("GIF"),
    "gif animated": animated(),
    "bmp": of_pillow("BMP"),
    "webp": of_pillow("WEBP"),
    "webp lossless": of_pillow("WEBP", lossless=True),
    "tiff": of_tifffile(colours()),
    "tiff 16 bit": of_tifffile(DEPTH),
    "tiff deflated": of_tifffile(DEPTH, compression="zlib"),
    "tiff tiled": of_tifffile(DEPTH, tile=(16, 16)),
    "tiff big": of_tifffile(DEPTH, bigtiff=True),
    "tiff imagej": of_tifffile(np.stack([DEPTH] * 3), imagej=True),
    "tiff ome": of_tifffile(np.stack([DEPTH] * 3), ome=True),
    "tiff lzw": of_pillow("TIFF", compression="tiff_lzw"),
}


@pytest.mark.parametrize("kind", SEEDS)
@pytest.mark.filterwarnings("ignore")  # decoders warn of damage in many ways; errors are ours
def test_damaged_pictures_cost_little_and_are_read_or_refused(kind: str, effort: Effort) -> None:
    for number in effort.numbers(short=20, long=1000, seconds=1.5):
        print(f"{kind}: input {number} of seed {effort.seed}")  # noqa: T201  shown when it fails
        chance = random.Random(f"{effort.seed} {kind} {number}")  # noqa: S311
        data = mutated(SEEDS[kind], chance)
        page = chance.choice((0, 0, 0, 1, 7))
        with guarded(bounds=BOUNDS), refusing(NAME):
            read = image_of_bytes(
                data, NAME, ReadingOptions(page=page, maximum_pixels=2**20, maximum_bytes=2**22)
            )
            assert read.size.area <= LIMITS.maximum_pixels


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, pixels: bytes, *more: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = b"".join((chunk(b"IHDR", header), *more, chunk(b"IDAT", pixels), chunk(b"IEND", b"")))
    return b"\x89PNG\r\n\x1a\n" + body


def announced_stack(planes: int) -> bytes:
    """ImageJ says in words how many planes follow its one header."""
    return of_tifffile(np.stack([DEPTH] * 3), imagej=True).replace(
        b"images=3", b"images=" + str(planes).encode()
    )


BOMBS: dict[str, Callable[[], bytes]] = {
    "a huge size": lambda: png(2**31 - 1, 2**31 - 1, zlib.compress(bytes(1000))),
    "more pixels than the cap": lambda: png(2**11, 2**10, zlib.compress(bytes(2**21))),
    "pixels that unpack a thousandfold": lambda: png(30, 20, zlib.compress(bytes(2**27))),
    "a text that unpacks a thousandfold": lambda: png(
        30, 20, zlib.compress(bytes(620)), chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**27)))
    ),
    "a profile that unpacks a thousandfold": lambda: png(
        30, 20, zlib.compress(bytes(620)), chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(2**27)))
    ),
    "a chunk of two gibibytes": lambda: b"\x89PNG\r\n\x1a\n" + b"\x7f\xff\xff\xffIHDR" + bytes(99),
    "a stack of two billion planes": lambda: announced_stack(2_000_000_000),
    "a bitmap of 2^31 rows": lambda: of_pillow("BMP").replace(
        struct.pack("<ii", 30, 20), struct.pack("<ii", 30, -(2**31))
    ),
    "a gif of 65535 squared": lambda: of_pillow("GIF").replace(
        struct.pack("<HH", 30, 20), struct.pack("<HH", 65535, 65535)
    ),
}


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.filterwarnings("ignore")
def test_bombs_go_off_nowhere(bomb: str, tmp_path: Path) -> None:
    data = BOMBS[bomb]()
    path = tmp_path / NAME
    path.write_bytes(data)
    with guarded(tmp_path, bounds=BOUNDS), refusing(NAME):
        read_image(path, LIMITS)
    with guarded(tmp_path, bounds=BOUNDS), refusing(NAME):
        image_of_bytes(data, NAME, LIMITS)
