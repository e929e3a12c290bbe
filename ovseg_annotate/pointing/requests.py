"""Marks that mean one object, checked and sorted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ovseg_annotate.errors import MarkError
from ovseg_annotate.geometry import Size
from ovseg_annotate.pointing.marks import (
    AreaMark,
    BoxMark,
    Mark,
    Place,
    PointMark,
    box_of,
    check_marks,
    places_of,
    surroundings,
)

_ONE_SLACK = 0.5  # px by which a mark may miss what it belongs to


@dataclass(frozen=True, slots=True)
class Request:
    """What is wanted and what is not."""

    concept: str
    wanted: tuple[Place, ...]
    unwanted: tuple[Place, ...]
    areas: tuple[AreaMark, ...]  # wanted and unwanted ones
    box: BoxMark | None
    unwanted_boxes: tuple[BoxMark, ...]
    marked: tuple[float, float, float, float]  # what the positive marks span
    reach: tuple[float, float, float, float]  # the part of the picture that matters

    @classmethod
    def of(cls, marks: Sequence[Mark], size: Size) -> Request:
        """Read the marks; refuse those that contradict one another."""
        check_marks(marks, size)
        positive = [mark for mark in marks if mark.positive]
        negative = [mark for mark in marks if not mark.positive]
        boxes = [mark for mark in positive if isinstance(mark, BoxMark)]
        _check_one_object(positive, boxes)
        for mark in positive:
            for other in negative:
                _check_apart(mark, other)
        spread = [mark for mark in positive if not isinstance(mark, BoxMark)]
        lefts, tops, rights, bottoms = zip(*(box_of(mark) for mark in positive), strict=True)
        return cls(
            concept=positive[0].concept,
            wanted=_places(spread),
            unwanted=_places([mark for mark in negative if not isinstance(mark, BoxMark)]),
            areas=tuple(mark for mark in marks if isinstance(mark, AreaMark)),
            box=boxes[0] if boxes else None,
            unwanted_boxes=tuple(mark for mark in negative if isinstance(mark, BoxMark)),
            marked=(min(lefts), min(tops), max(rights), max(bottoms)),
            reach=surroundings(positive, size),
        )


def _places(marks: Sequence[PointMark | AreaMark]) -> tuple[Place, ...]:
    return tuple(place for mark in marks for place in places_of(mark))


def _check_one_object(positive: Sequence[Mark], boxes: Sequence[BoxMark]) -> None:
    if not positive:
        raise MarkError(
            "only what is not meant is marked; mark also what is meant, by a positive point, box "
            "or area"
        )
    names = sorted({mark.concept.casefold() for mark in positive})
    if len(names) > 1:
        raise MarkError(
            f"one object is picked at a time; the marks name {', '.join(names)}: pick each alone"
        )
    if len(boxes) > 1:
        raise MarkError(
            f"{len(boxes)} boxes for one object; pick each box alone, or draw one round both"
        )
    for box in boxes:
        for mark in positive:
            if not isinstance(mark, BoxMark):
                _check_in_box(mark, box)


def _check_in_box(mark: PointMark | AreaMark, box: BoxMark) -> None:
    for place in places_of(mark):
        if not _holds(box, place):
            raise MarkError(
                f"the marks contradict one another: x {place.x:g}, y {place.y:g} is marked as "
                f"part of the object and lies outside its box (x {box.left:g} to {box.right:g}, "
                f"y {box.top:g} to {box.bottom:g}); move one of them"
            )


def _check_apart(mark: Mark, other: Mark) -> None:
    shared = _shared_place(mark, other)
    if shared is not None:
        raise MarkError(
            f"the marks contradict one another: x {shared.x:g}, y {shared.y:g} is marked as part "
            f"of {mark.concept!r} and as not part of it; remove one of the two"
        )


def _shared_place(mark: Mark, other: Mark) -> Place | None:
    """A place that a positive and a negative mark both claim; boxes may hold negative points."""
    if isinstance(mark, BoxMark):
        covered = isinstance(other, BoxMark) and _covers(other, mark)
        return Place(mark.left, mark.top) if covered else None
    if isinstance(other, BoxMark):
        return next((place for place in places_of(mark) if _holds(other, place)), None)
    if isinstance(mark, AreaMark) and isinstance(other, AreaMark):
        both = mark.mask & other.mask
        return places_of(AreaMark(mark.concept, both))[0] if both.any() else None
    for one, two in ((mark, other), (other, mark)):
        if isinstance(one, AreaMark) and isinstance(two, PointMark):
            rows, columns = one.mask.shape
            row, column = min(int(two.y), rows - 1), min(int(two.x), columns - 1)
            return Place(two.x, two.y) if one.mask[row, column] else None
    (here,), (there,) = places_of(mark), places_of(other)
    near = abs(here.x - there.x) <= _ONE_SLACK and abs(here.y - there.y) <= _ONE_SLACK
    return here if near else None


def _covers(box: BoxMark, inner: BoxMark) -> bool:
    corners = (Place(inner.left, inner.top), Place(inner.right, inner.bottom))
    return all(_holds(box, corner) for corner in corners)


def _holds(box: BoxMark, place: Place) -> bool:
    return (
        box.left - _ONE_SLACK <= place.x <= box.right + _ONE_SLACK
        and box.top - _ONE_SLACK <= place.y <= box.bottom + _ONE_SLACK
    )
