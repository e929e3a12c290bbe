"""The numbers of label maps, from the kinds of files that data sets keep them in."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.errors import FormatError, ImageError
from ovseg_annotate.formats.fields import read_bytes

Values: TypeAlias = NDArray[np.int64]  # (height, width)

MAP_SUFFIXES = (".png", ".tif", ".tiff")

_NAME = "LabelMap"  # in a MATLAB file
_MOST_PIXELS = 2**27  # eight bytes each; Pillow warns of more than two thirds of it


def read_values(path: Path) -> Values:
    """Read a PNG or TIFF of whole numbers, or the LabelMap of a MATLAB file."""
    if path.suffix.casefold() == ".mat":
        return _read_matlab(path)
    from PIL import Image as PillowImage  # noqa: PLC0415  the list of verbs stays cheap

    # From memory: of a file Pillow reserves what a part of it says to hold, up to 2 GB.
    content = io.BytesIO(read_bytes(path))
    try:
        # By their names: Pillow would start other programs for some other kinds of files.
        with PillowImage.open(content, formats=("PNG", "TIFF")) as image:
            _check_area(image.size, path)
            values = np.asarray(image)
    except (OSError, SyntaxError, ValueError, PillowImage.DecompressionBombError) as error:
        raise ImageError(f"cannot read the label map {path}: {error}") from error
    return _checked(values, path)


def _read_matlab(path: Path) -> Values:
    from scipy.io import loadmat, whosmat  # noqa: PLC0415  only Pascal Context's originals need it

    try:
        shapes = {name: shape for name, shape, _ in whosmat(path)}
        _check_area(shapes.get(_NAME, ()), path)
        content = loadmat(path, variable_names=[_NAME])
    except FormatError:
        raise
    # The reader trips over damaged bytes in many ways; whatever it is, the file is what is wrong.
    except Exception as error:
        raise ImageError(
            f"cannot read the label map {path}: {type(error).__name__}: {error}; unpack it again"
        ) from error
    if _NAME not in content:
        held = ", ".join(shapes) or "nothing"
        raise FormatError(f"{path} has no {_NAME}; it holds: {held}")
    return _checked(np.asarray(content[_NAME]), path)


def _check_area(shape: Sequence[int], path: Path) -> None:
    if math.prod(shape) > _MOST_PIXELS:
        raise FormatError(f"{path} has more than {_MOST_PIXELS:,} pixels")


def _checked(values: NDArray[np.generic], path: Path) -> Values:
    if values.ndim != 2 or values.dtype.kind not in "bui":
        raise ImageError(
            f"{path} holds {values.dtype} of shape {values.shape}; a label map has one whole "
            "number a pixel (grey or palette, 8 or 16 bit)"
        )
    return values.astype(np.int64)
