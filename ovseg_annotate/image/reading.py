"""Pictures from files and arrays."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.errors import ImageError, OvsegError
from ovseg_annotate.geometry import Size
from ovseg_annotate.image.options import ReadingOptions
from ovseg_annotate.image.picture import Image, key_of
from ovseg_annotate.image.pillow_files import read_with_pillow, size_with_pillow
from ovseg_annotate.image.samples import Samples, samples_of_array
from ovseg_annotate.image.tiff_files import NeedsPillow, read_tiff
from ovseg_annotate.image.upright import rgb_of

SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff",
)  # fmt: skip
_DEFAULTS = ReadingOptions()

# The first bytes say what a file is; its suffix is only a name.
_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"BM", "bmp"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
)


def read_image(path: str | os.PathLike[str], options: ReadingOptions = _DEFAULTS) -> Image:
    """Read one picture, upright and in RGB.

    What is not 8 bit is stretched channel by channel between two percentiles; `Image.reading`
    says so, with the numbers.
    """
    path = Path(path)
    with _opened(path, options) as file:
        return _image_in(file, path, options, str(path))


def file_bytes(path: str | os.PathLike[str], options: ReadingOptions = _DEFAULTS) -> bytes:
    """The content of a picture file, not decoded; refuses what `read_image` would not open."""
    with _opened(Path(path), options) as file:
        return file.read()


def size_of_file(path: str | os.PathLike[str], options: ReadingOptions = _DEFAULTS) -> Size:
    """The size that `read_image` would give, upright; most files are not decoded for it."""
    name = str(path)
    with _opened(Path(path), options) as file:
        kind = _kind_of(file, name)
        with _decoding(name, kind):
            return size_with_pillow(file, kind, options, name)


def image_of_bytes(data: bytes, name: str, options: ReadingOptions = _DEFAULTS) -> Image:
    """Read the content of a picture file as `read_image` does; errors call it `name`."""
    _check_bytes(len(data), name, options)
    file = io.BytesIO(data)
    return _image_in(file, file, options, name)


def from_array(
    array: NDArray[Any], options: ReadingOptions = _DEFAULTS, name: str = "array"
) -> Image:
    """Make a picture of (height, width) or (height, width, channels) numbers of any real type.

    The last axis counts channels unless `options.channel_axis` says otherwise; four of them
    are RGBA. The picture keeps no view of the array.
    """
    samples = samples_of_array(np.asarray(array), options, name)
    pixels, valid, reading = rgb_of(samples, options, name)
    if np.may_share_memory(pixels, samples.values):
        pixels = pixels.copy()
    return Image(pixels, key_of(pixels), reading, valid)


def images_in(folder: str | os.PathLike[str]) -> list[Path]:
    """All pictures below a folder, sorted; hidden files and folders are left out."""
    root = Path(folder)
    if not root.is_dir():
        kind = "a file" if root.exists() else "not there"
        raise ImageError(f"{root}: expected a folder of pictures; it is {kind}")
    found: list[Path] = []
    for where, folders, files in os.walk(root):
        folders[:] = [each for each in folders if not each.startswith(".")]
        found += [
            Path(where, file)
            for file in files
            if not file.startswith(".") and file.casefold().endswith(SUFFIXES)
        ]
    if not found:
        raise ImageError(
            f"{root}: no pictures in this folder or below; looked for {', '.join(SUFFIXES)}"
        )
    return sorted(found)


def _image_in(file: BinaryIO, source: Path | BinaryIO, options: ReadingOptions, name: str) -> Image:
    kind = _kind_of(file, name)
    file.seek(0)
    with _decoding(name, kind):
        samples = _decoded(file, source, kind, options, name)
    pixels, valid, reading = rgb_of(samples, options, name)
    return Image(pixels, key_of(pixels), reading, valid)


def _decoded(
    file: BinaryIO, source: Path | BinaryIO, kind: str, options: ReadingOptions, name: str
) -> Samples:
    if kind == "tiff":
        try:
            return read_tiff(source, options, name)
        except NeedsPillow:
            pass
    return read_with_pillow(file, kind, options, name)


@contextmanager
def _opened(path: Path, options: ReadingOptions) -> Iterator[BinaryIO]:
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise ImageError(f"{path}: this is a folder; name a picture in it")
        if not stat.S_ISREG(found.st_mode):
            raise ImageError(f"{path}: this is a device or a pipe; expected a picture file")
        file = _Bounded(path.open("rb", buffering=0), found.st_size)
    except FileNotFoundError as problem:
        raise ImageError(
            f"{path}: there is no such file; check the name and the folder"
        ) from problem
    except OSError as problem:
        raise ImageError(f"{path}: cannot be opened: {problem.strerror or problem}") from problem
    except ValueError as problem:  # a list may name it, with a character that no name may have
        raise ImageError(f"{str(path)!r} cannot be the name of a file: {problem}") from problem
    with file:
        _check_bytes(found.st_size, str(path), options)
        yield file


class _Bounded(io.BufferedReader):
    """A file that reserves no memory for bytes which it does not have.

    Decoders ask for as many as a damaged file says to hold, up to 4 GB.
    """

    def __init__(self, raw: io.FileIO, length: int) -> None:
        super().__init__(raw)
        self._length = length

    def read(self, size: int | None = -1, /) -> bytes:
        left = max(self._length - self.tell(), 0)
        return super().read(left if size is None or size < 0 else min(size, left))


def _check_bytes(count: int, name: str, options: ReadingOptions) -> None:
    if count == 0:
        raise ImageError(f"{name}: the file is empty (0 bytes); copy or download it again")
    if count > options.maximum_bytes:
        raise ImageError(
            f"{name}: the file has {count:,} bytes; at most "
            f"{options.maximum_bytes:,} are read; raise maximum_bytes if that is right"
        )


def _kind_of(file: BinaryIO, name: str) -> str:
    start = file.read(16)
    for signature, kind in _SIGNATURES:
        if start.startswith(signature):
            return kind
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "webp"
    raise ImageError(
        f"{name}: not a picture that can be read: it starts with {start!r}; "
        "expected PNG, JPEG, WebP, BMP, GIF or TIFF; convert it first"
    )


@contextmanager
def _decoding(name: str, kind: str) -> Iterator[None]:
    try:
        yield
    except OvsegError:
        raise
    # Decoders fed with damaged bytes raise whatever they trip over, from SyntaxError to
    # struct.error; whatever it is, this file is what is wrong.
    except Exception as problem:
        raise ImageError(
            f"{name}: the {kind.upper()} file is damaged or cut off "
            f"({type(problem).__name__}: {problem}); copy or download it again"
        ) from problem
