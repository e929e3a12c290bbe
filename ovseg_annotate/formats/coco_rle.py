"""COCO's compressed run-length code of masks.

Frame: pixels in column-major order of the whole picture; runs of background and foreground take
turns, background first. Every count from the third on is written as its difference to the count
before last, in groups of five bits, lowest first, as characters from "0" on.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.errors import FormatError
from ovseg_annotate.formats.fields import MAXIMUM_PIXELS, Field
from ovseg_annotate.formats.flat_runs import Box, box_of_counts, check_counts, counts_around
from ovseg_annotate.geometry import Size
from ovseg_annotate.regions import Mask

_FIRST_CHARACTER = 48
_GROUP_BITS = 5
_MORE = 0x20  # another group follows
_SIGN = 0x10  # in the last group: the number is negative
_LONGEST_NUMBER = 8  # groups: 40 bits, far more than any picture needs


def counts_in_picture(mask: Mask, size: Size) -> NDArray[np.int64]:
    """Runs of the whole picture, found from the box of the mask alone."""
    box = mask.box
    if min(box.top, box.left) < 0 or box.bottom > size.height or box.right > size.width:
        raise FormatError(f"a mask at {box} reaches out of a picture of {size}")
    columns = Box(mask.array().T, box.left, box.top)
    return counts_around(columns, line_length=size.height, line_count=size.width)


def mask_of_counts(counts: NDArray[np.int64], size: Size, where: str) -> Mask | None:
    """The mask in its tight box; None when nothing is foreground."""
    check_counts(counts, size.area, where)
    box = box_of_counts(counts, line_length=size.height)
    return None if box is None else Mask.of(box.lines.T, box.offset, box.first)


def packed(counts: NDArray[np.int64]) -> str:
    """The counts as COCO's compressed text."""
    numbers = counts.copy()
    numbers[3:] -= counts[1:-2]
    groups, used = [], []
    active = np.ones(len(numbers), np.bool_)
    while active.any():
        group = numbers & (_MORE - 1)
        numbers = numbers >> _GROUP_BITS
        more = numbers != np.where(group & _SIGN, -1, 0)
        groups.append(group + _MORE * more + _FIRST_CHARACTER)
        used.append(active)
        active = active & more
    characters = np.stack(groups, axis=1)[np.stack(used, axis=1)]
    return characters.astype(np.uint8).tobytes().decode("ascii")


def unpacked(text: str, where: str) -> NDArray[np.int64]:
    """The counts of COCO's compressed text."""
    try:
        data = np.frombuffer(text.encode("ascii"), np.uint8).astype(np.int64) - _FIRST_CHARACTER
    except UnicodeEncodeError as error:
        raise FormatError(f"{where}: not a compressed run-length code: {error}") from error
    if not len(data) or data.min() < 0 or data.max() >= 2 * _MORE or data[-1] & _MORE:
        raise FormatError(f"{where}: not a compressed run-length code, or truncated")
    stops = np.flatnonzero(data & _MORE == 0) + 1
    starts = np.concatenate(([0], stops[:-1]))
    if (stops - starts).max() > _LONGEST_NUMBER:
        raise FormatError(f"{where}: a run length has more than {_LONGEST_NUMBER} characters")
    place = np.arange(len(data)) - np.repeat(starts, stops - starts)
    numbers = np.add.reduceat((data & (_MORE - 1)) << (_GROUP_BITS * place), starts)
    negative = data[stops - 1] & _SIGN != 0
    numbers[negative] -= np.int64(1) << (_GROUP_BITS * (stops - starts)[negative])
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers


def mask_of_field(field: Field, size: Size) -> Mask | None:
    """Read {"size": [height, width], "counts": text or list} of a picture of this size."""
    declared = [item.whole(0, MAXIMUM_PIXELS) for item in field.get("size").items()]
    if declared != [size.height, size.width]:
        raise field.get("size").wrong(f"[{size.height}, {size.width}] (height, width)")
    counts = field.get("counts")
    if isinstance(counts.value, str):
        numbers = unpacked(counts.value, counts.where)
    else:
        whole = [item.whole(0, MAXIMUM_PIXELS) for item in counts.items()]
        numbers = np.array(whole, np.int64)
    return mask_of_counts(numbers, size, counts.where)
