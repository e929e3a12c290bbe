"""What a person points with, in the pixel-edge frame of the picture. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.errors import MarkError
from ovseg_annotate.geometry import Size, Window

_SURROUNDINGS = 1024.0  # px on every side
_PLACES = 32  # that stand for an area


@dataclass(frozen=True, slots=True)
class PointMark:
    """A click: this belongs to the concept, or (not positive) this does not."""

    concept: str
    x: float
    y: float
    positive: bool = True

    def __post_init__(self) -> None:
        _check_numbers(self.concept, (self.x, self.y))


@dataclass(frozen=True, slots=True)
class BoxMark:
    """A rectangle drawn tightly around a thing."""

    concept: str
    left: float
    top: float
    right: float
    bottom: float
    positive: bool = True

    def __post_init__(self) -> None:
        _check_numbers(self.concept, (self.left, self.top, self.right, self.bottom))
        if self.left >= self.right or self.top >= self.bottom:
            raise MarkError(
                f"the box for {self.concept!r} has no area: left {self.left:g}, top {self.top:g}, "
                f"right {self.right:g}, bottom {self.bottom:g}; left must be below right and top "
                "below bottom"
            )


@dataclass(frozen=True, slots=True, eq=False)
class AreaMark:
    """A scribble or a corrected area; every pixel of it is meant."""

    concept: str
    mask: NDArray[np.bool_]  # (height, width) of the whole picture
    positive: bool = True

    def __post_init__(self) -> None:
        _check_numbers(self.concept, ())
        if self.mask.ndim != 2 or self.mask.dtype != np.bool_:
            raise MarkError(
                f"an area for {self.concept!r} is a mask (height, width) of bools, got shape "
                f"{self.mask.shape} of {self.mask.dtype}"
            )
        if not self.mask.any():
            raise MarkError(f"the area for {self.concept!r} has no pixel; mark at least one")


Mark: TypeAlias = PointMark | BoxMark | AreaMark


@dataclass(frozen=True, slots=True)
class Place:
    """One place of a picture."""

    x: float
    y: float


def places_of(mark: PointMark | AreaMark, most: int = _PLACES) -> tuple[Place, ...]:
    """A point, or places spread over an area, each at the centre of a pixel of it."""
    if isinstance(mark, PointMark):
        return (Place(mark.x, mark.y),)
    rows, columns = np.nonzero(mark.mask)
    some = np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int)
    return tuple(Place(float(columns[k]) + 0.5, float(rows[k]) + 0.5) for k in some)


def box_of(mark: Mark) -> tuple[float, float, float, float]:
    """(left, top, right, bottom) of what a mark covers."""
    if isinstance(mark, PointMark):
        return mark.x, mark.y, mark.x, mark.y
    if isinstance(mark, BoxMark):
        return mark.left, mark.top, mark.right, mark.bottom
    area = window_of(mark.mask)
    return float(area.left), float(area.top), float(area.right), float(area.bottom)


def window_of(mask: NDArray[np.bool_]) -> Window:
    """The smallest rectangle that holds a mask with at least one pixel."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    return Window(top, left, int(rows[-1]) + 1 - top, int(columns[-1]) + 1 - left)


def surroundings(
    marks: Sequence[Mark], size: Size, least: float = _SURROUNDINGS
) -> tuple[float, float, float, float]:
    """The marks' rectangle with much of the picture around: the whole of a small picture."""
    boxes = np.array([box_of(mark) for mark in marks])
    left, top = boxes[:, 0].min() - least, boxes[:, 1].min() - least
    right, bottom = boxes[:, 2].max() + least, boxes[:, 3].max() + least
    return (
        max(0.0, float(left)),
        max(0.0, float(top)),
        min(float(size.width), float(right)),
        min(float(size.height), float(bottom)),
    )


def check_marks(marks: Sequence[Mark], size: Size) -> None:
    """Refuse no marks at all, and marks that lie outside a picture of that size.

    A box may reach beyond the picture, as one drawn with the mouse does.
    """
    if not marks:
        raise MarkError("nothing is marked; give at least one point, box or area")
    for mark in marks:
        if isinstance(mark, AreaMark):
            if mark.mask.shape != (size.height, size.width):
                raise MarkError(
                    f"the area for {mark.concept!r} has shape {mark.mask.shape} and the picture "
                    f"{(size.height, size.width)}; mark areas at the size of the picture"
                )
        elif not _touches(mark, size):
            left, top, right, bottom = box_of(mark)
            raise MarkError(
                f"the mark for {mark.concept!r} at x {left:g} to {right:g}, y {top:g} to "
                f"{bottom:g} lies outside the picture, which spans 0 to {size.width} and 0 to "
                f"{size.height}; marks are in px of the picture as it was read"
            )


def _touches(mark: PointMark | BoxMark, size: Size) -> bool:
    left, top, right, bottom = box_of(mark)
    if isinstance(mark, PointMark):
        return 0 <= left <= size.width and 0 <= top <= size.height
    return left < size.width and top < size.height and right > 0 and bottom > 0


def _check_numbers(concept: str, numbers: tuple[float, ...]) -> None:
    if not concept.strip():
        raise MarkError("a mark needs the name of its concept; got an empty one")
    if not all(math.isfinite(number) for number in numbers):
        raise MarkError(f"the mark for {concept!r} has a place that is no number: {numbers}")
