"""Regions as numbers on pixels, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.errors import FormatError
from ovseg_annotate.geometry import Size, Window
from ovseg_annotate.regions import AnnotatedImage, Mask, Region, mask_of
from ovseg_annotate.runs import RunMap, box_of, components_of, painted_in, runs_of

_MASK_PIXELS = 2**33  # a gibibyte, at one bit each

Numbers = NDArray[np.uint8] | NDArray[np.uint16]


class MaskMemory:
    """Counts the masks of one picture, as long as they can be held together.

    A run-length code of a few bytes may stand for a mask as large as the picture.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._held = 0

    def with_room_for(self, region: Region | None) -> Region | None:
        """The same region; raises FormatError when it is one too many."""
        if region is not None and region.mask is not None:
            self._held += region.mask.box.size.area
        if self._held > _MASK_PIXELS:
            raise FormatError(
                f"{self._where}: the masks of one picture have more than {_MASK_PIXELS} pixels "
                "together; split the picture, or write polygons"
            )
        return region


def masks_of(image: AnnotatedImage) -> tuple[Mask, ...]:
    """The pixels of each region within the picture."""
    return tuple(mask_of(region, image.size) for region in image.regions)


def painted_map(size: Size, masks: Sequence[Mask], numbers: Sequence[int], empty: int) -> Numbers:
    """Paint a number on the pixels of each mask; small ones last, so that none is covered up."""
    largest = max(empty, *numbers, 0)
    shape = (size.height, size.width)
    pixels: Numbers = (
        np.full(shape, empty, np.uint8) if largest <= 255 else np.full(shape, empty, np.uint16)
    )
    for index in drawing_order(masks):
        pixels[masks[index].box.slices][masks[index].array()] = numbers[index]
    return pixels


def drawing_order(masks: Sequence[Mask]) -> list[int]:
    """Indices of the masks, large ones first."""
    return sorted(range(len(masks)), key=lambda index: -masks[index].area)


def connected_masks(numbers: Numbers) -> Iterator[tuple[int, Mask]]:
    """Each 4-connected piece of one number, with that number; 0 counts as well."""
    components = components_of(runs_of(numbers))
    for number, members in zip(components.labels.tolist(), components.members(), strict=True):
        yield number, _mask(components.runs, members)


def masks_by_number(numbers: NDArray[np.int32]) -> Iterator[tuple[int, Mask]]:
    """Each number with all its pixels, connected or not."""
    runs = runs_of(numbers)
    order = np.argsort(runs.values, kind="stable")
    cuts = np.flatnonzero(np.diff(runs.values[order])) + 1
    for members in np.split(order, cuts):
        yield int(runs.values[members[0]]), _mask(runs, members)


def _mask(runs: RunMap, members: NDArray[np.int64]) -> Mask:
    box = box_of(runs, members)
    return Mask.of(painted_in(box, runs, members), box.top, box.left)


def union_of(masks: Sequence[Mask]) -> Mask | None:
    """What any of the masks covers; takes memory for the box around them, not for the picture."""
    top, left = (min(getattr(mask.box, side) for mask in masks) for side in ("top", "left"))
    bottom, right = (max(getattr(mask.box, side) for mask in masks) for side in ("bottom", "right"))
    pixels = np.zeros((bottom - top, right - left), np.bool_)
    for mask in masks:
        box = mask.box
        part = pixels[box.top - top : box.bottom - top, box.left - left : box.right - left]
        part |= mask.array()
    return cropped(pixels, top, left)


def cropped(pixels: NDArray[np.bool_], top: int = 0, left: int = 0) -> Mask | None:
    """The mask in its tight box; None when no pixel is true."""
    rows = np.flatnonzero(pixels.any(axis=1))
    if not len(rows):
        return None
    columns = np.flatnonzero(pixels[rows[0] : rows[-1] + 1].any(axis=0))
    box = Window(
        int(rows[0]),
        int(columns[0]),
        int(rows[-1] - rows[0]) + 1,
        int(columns[-1] - columns[0]) + 1,
    )
    return Mask.of(np.ascontiguousarray(pixels[box.slices]), box.top + top, box.left + left)
