"""Masks as single files: the label of each pixel, and inside the file what the labels mean.

PNG has a text chunk `ovseg` for it and TIFF its description; both hold one line of JSON with the
words, the picture's name and the provenance. A mask of another program has no such line; then
nobody knows names for its labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import tifffile
from PIL import Image as PillowImage
from PIL.PngImagePlugin import PngInfo

from napari_plugin.layer_data import METADATA, Labels, Origin
from napari_plugin.layer_reading import origin_in
from ovseg_annotate.errors import FormatError
from ovseg_annotate.formats.atomic import atomic_file
from ovseg_annotate.formats.fields import parse_json, plain_json
from ovseg_annotate.formats.index_png import open_png, png_numbers
from ovseg_annotate.regions import AnnotatedImage, labels_of

_TIFF = (".tif", ".tiff")
_MAXIMUM_PIXELS = 2**31  # of all planes


@dataclass(frozen=True, slots=True, eq=False)
class MaskFile:
    """The labels of a file."""

    labels: Labels  # (height, width), or (planes, height, width)
    origin: Origin | None  # None: the file does not say what its labels mean


def is_mask(path: Path) -> bool:
    """Whether the file holds one whole number a pixel; reads no pixels."""
    with path.open("rb") as file:
        start = file.read(4)
        file.seek(0)
        if start == b"\x89PNG":
            return open_png(file, str(path)).mode in ("1", "L", "P", "I;16", "I")
        if start[:2] not in (b"II", b"MM"):
            return False
        with _decoding(path), tifffile.TiffFile(file) as tiff:
            series = tiff.series[0]
            return series.dtype.kind == "u" and series.ndim in (2, 3)


def read_mask(path: Path) -> MaskFile:
    """Read a PNG or TIFF of labels."""
    try:
        with path.open("rb") as file:
            if file.read(4) == b"\x89PNG":
                return _read_png(file, path)
            return _read_tiff(file, path)
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror or error}") from error


def write_mask(path: Path, images: Sequence[AnnotatedImage]) -> Path:
    """Write the labels of a picture, or for a TIFF of the planes of a stack."""
    if len({(image.size.height, image.size.width) for image in images}) != 1:
        raise FormatError(f"{path}: planes of one size are needed; save these layers one by one")
    note = plain_json(Origin.of(images[0]).as_metadata()[METADATA])
    planes = [labels_of(image) for image in images]
    if path.suffix.casefold() in _TIFF:
        pixels = planes[0] if len(planes) == 1 else np.stack(planes)
        with atomic_file(path) as file:
            # Not `metadata`: with it the first thing in the file would be tifffile's own line.
            tifffile.imwrite(
                file, pixels, description=note, metadata=None, compression="zlib",
                photometric="minisblack",
            )  # fmt: skip
        return path
    if len(planes) > 1:
        raise FormatError(
            f"{path}: a PNG holds one plane, these are {len(planes)}; name a file .mask.tif"
        )
    _write_png(path, planes[0], images[0], note)
    return path


def _write_png(path: Path, labels: Labels, image: AnnotatedImage, note: str) -> None:
    picture = PillowImage.fromarray(labels)
    if labels.dtype == np.uint8:
        colours = ((0, 0, 0), *image.vocabulary.colours[:255])
        picture.putpalette([part for colour in colours for part in colour])
    chunks = PngInfo()
    chunks.add_text(METADATA, note)
    with atomic_file(path) as file:
        picture.save(file, "PNG", pnginfo=chunks)


def _read_png(file: BinaryIO, path: Path) -> MaskFile:
    file.seek(0)
    note = open_png(file, str(path)).info.get(METADATA)
    file.seek(0)
    labels = png_numbers(file, str(path))
    return MaskFile(labels, None if note is None else _origin(str(note), path))


def _read_tiff(file: BinaryIO, path: Path) -> MaskFile:
    file.seek(0)
    with _decoding(path), tifffile.TiffFile(file) as tiff:
        series = tiff.series[0]
        if series.size > _MAXIMUM_PIXELS:
            raise FormatError(f"{path}: more than {_MAXIMUM_PIXELS} pixels")
        labels = series.asarray()
        note = tiff.pages.first.description
    if labels.ndim not in (2, 3) or labels.dtype.kind != "u":
        raise FormatError(
            f"{path}: expected labels (height, width) or (planes, height, width), got "
            f"{labels.dtype} of shape {labels.shape}"
        )
    return MaskFile(labels, _origin(note, path) if note.startswith("{") else None)


def _origin(note: str, path: Path) -> Origin | None:
    value = parse_json(note, str(path)).value
    if not (isinstance(value, dict) and "vocabulary" in value):
        return None  # another program's
    return origin_in({"metadata": {METADATA: value}}, str(path))


@contextmanager
def _decoding(path: Path) -> Iterator[None]:
    try:
        yield
    except (FormatError, OSError):
        raise
    # A decoder fed with damaged bytes raises whatever it trips over.
    except Exception as problem:
        raise FormatError(
            f"{path}: the TIFF file is damaged or cut off ({type(problem).__name__}: {problem}); "
            "copy it again"
        ) from problem
