"""The single examples of things: from a map that numbers them, and how they overlap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.geometry import Window
from ovseg_annotate.regions import Mask, Region


def instances_in(numbers: NDArray[np.integer], concept_of: Mapping[int, str]) -> tuple[Region, ...]:
    """One region a number of the (height, width) map; numbers without a concept are left out."""
    flat = numbers.ravel()
    order = np.argsort(flat, kind="stable")
    values, starts = np.unique(flat[order], return_index=True)
    places = np.split(order, starts[1:])
    return tuple(
        Region(concept_of[value], (), _mask_at(*np.divmod(own, numbers.shape[1])))
        for value, own in zip(values.tolist(), places, strict=True)
        if value in concept_of
    )


def overlaps(rows: Sequence[Mask], columns: Sequence[Mask]) -> NDArray[np.int64]:
    """The pixels that two masks share, (rows, columns)."""
    shared = np.zeros((len(rows), len(columns)), np.int64)
    arrays = [mask.array() for mask in columns]
    for row, mask in enumerate(rows):
        own = mask.array()
        for column, other in enumerate(columns):
            both = _intersection(mask.box, other.box)
            if both is not None:
                here = own[_within(both, mask.box)]
                there = arrays[column][_within(both, other.box)]
                shared[row, column] = np.count_nonzero(here & there)
    return shared


def _mask_at(rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Mask:
    top, left = int(rows.min()), int(columns.min())
    array = np.zeros((int(rows.max()) - top + 1, int(columns.max()) - left + 1), np.bool_)
    array[rows - top, columns - left] = True
    return Mask.of(array, top, left)


def _intersection(one: Window, other: Window) -> Window | None:
    top, left = max(one.top, other.top), max(one.left, other.left)
    bottom, right = min(one.bottom, other.bottom), min(one.right, other.right)
    if bottom <= top or right <= left:
        return None
    return Window(top, left, bottom - top, right - left)


def _within(part: Window, box: Window) -> tuple[slice, slice]:
    """The part in the frame of the box that holds it."""
    return Window(part.top - box.top, part.left - box.left, part.height, part.width).slices
