"""Marks as JSON."""

from __future__ import annotations

import numpy as np

from ovseg_annotate.errors import FormatError
from ovseg_annotate.formats.fields import Field
from ovseg_annotate.formats.native import mask_in, plain_mask
from ovseg_annotate.pointing.marks import AreaMark, BoxMark, Mark, PointMark, window_of
from ovseg_annotate.regions import Mask

_MOST = 10_000  # marks of one question
_SIDES = ("left", "top", "right", "bottom")


def plain_mark(mark: Mark) -> dict[str, object]:
    plain: dict[str, object] = {"concept": mark.concept, "positive": mark.positive}
    if isinstance(mark, PointMark):
        return {"kind": "point", **plain, "x": mark.x, "y": mark.y}
    if isinstance(mark, BoxMark):
        return {"kind": "box", **plain, **{side: getattr(mark, side) for side in _SIDES}}
    window, (height, width) = window_of(mark.mask), mark.mask.shape
    mask = plain_mask(Mask.of(mark.mask[window.slices], window.top, window.left))
    return {"kind": "area", **plain, "height": height, "width": width, "mask": mask}


def marks_of(field: Field, maximum_pixels: int) -> tuple[Mark, ...]:
    """Read a list of `plain_mark`; areas are of pictures of at most so many pixels."""
    items = tuple(field.items())
    if len(items) > _MOST:
        raise FormatError(f"{field.where}: {len(items):,} marks; at most {_MOST:,} are read")
    return tuple(_mark(item, maximum_pixels) for item in items)


def _mark(field: Field, maximum_pixels: int) -> Mark:
    kind, concept = field.get("kind"), field.get("concept").text()
    positive = field.find("positive")
    is_positive = True if positive is None else positive.value
    if not isinstance(is_positive, bool):
        raise FormatError(f"{field.where}.positive: expected true or false, got {is_positive!r}")
    match kind.value:
        case "point":
            x, y = field.get("x").number(), field.get("y").number()
            return PointMark(concept, x, y, is_positive)
        case "box":
            left, top, right, bottom = (field.get(side).number() for side in _SIDES)
            return BoxMark(concept, left, top, right, bottom, is_positive)
        case "area":
            return _area(field, concept, maximum_pixels, positive=is_positive)
    raise kind.wrong("point, box or area")


def _area(field: Field, concept: str, maximum_pixels: int, *, positive: bool) -> AreaMark:
    size = field.size()
    if size.area > maximum_pixels:
        raise FormatError(f"{field.where}: {size} is more than {maximum_pixels:,} pixels")
    mask = mask_in(field.get("mask"), size)
    whole = np.zeros((size.height, size.width), np.bool_)
    whole[mask.box.slices] = mask.array()
    return AreaMark(concept, whole, positive)
