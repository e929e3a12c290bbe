"""The numbers of label maps, from the kinds of files that data sets keep them in."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.errors import FormatError, ImageError

Values: TypeAlias = NDArray[np.int64]  # (height, width)

MAP_SUFFIXES = (".png", ".tif", ".tiff")


def read_values(path: Path) -> Values:
    """Read a PNG or TIFF of whole numbers, or the LabelMap of a MATLAB file."""
    if path.suffix.casefold() == ".mat":
        return _read_matlab(path)
    from PIL import Image as PillowImage  # noqa: PLC0415  the list of verbs stays cheap

    try:
        with PillowImage.open(path) as image:
            values = np.asarray(image)
    except (OSError, SyntaxError, ValueError, PillowImage.DecompressionBombError) as error:
        raise ImageError(f"cannot read the label map {path}: {error}") from error
    return _checked(values, path)


def _read_matlab(path: Path) -> Values:
    from scipy.io import loadmat  # noqa: PLC0415  only the Pascal Context originals need it

    try:
        content = loadmat(path)
    # The reader trips over damaged bytes in many ways; whatever it is, the file is what is wrong.
    except Exception as error:
        raise ImageError(
            f"cannot read the label map {path}: {type(error).__name__}: {error}; unpack it again"
        ) from error
    if "LabelMap" not in content:
        held = ", ".join(name for name in content if not name.startswith("__")) or "nothing"
        raise FormatError(f"{path} has no LabelMap; it holds: {held}")
    return _checked(np.asarray(content["LabelMap"]), path)


def _checked(values: NDArray[np.generic], path: Path) -> Values:
    if values.ndim != 2 or values.dtype.kind not in "bui":
        raise ImageError(
            f"{path} holds {values.dtype} of shape {values.shape}; a label map has one whole "
            "number a pixel (grey or palette, 8 or 16 bit)"
        )
    return values.astype(np.int64)
