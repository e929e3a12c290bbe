"""Objects that a person pointed at with smart tools: points, boxes and strokes.

A box means one object, with the points inside it. All other marks of a label mean one object
together. Negative marks say of every object what does not belong to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from labelstudio_backend.annotating import Look, Subject
from labelstudio_backend.context import Clicked, Context, Dragged, Painted
from labelstudio_backend.errors import TaskError
from labelstudio_backend.label_config import Kind
from labelstudio_backend.pictures import Picture
from labelstudio_backend.predictions import Drawn, drawn
from labelstudio_backend.words import ImageWords
from ovseg_annotate.errors import listed_by_nearness
from ovseg_annotate.formats.fields import Field
from ovseg_annotate.formats.label_studio_results import regions_of_results
from ovseg_annotate.formats.outlines import rectangle_ring
from ovseg_annotate.geometry import Size
from ovseg_annotate.pointing.marks import AreaMark, BoxMark, Mark, PointMark
from ovseg_annotate.pointing.picking import PickOptions
from ovseg_annotate.polygons import simplified, trace
from ovseg_annotate.regions import Mask, Region, mask_of

# Where an object is shown, the first kind that has its label.
_PREFERRED = (Kind.POLYGON, Kind.BRUSH, Kind.BITMASK, Kind.RECTANGLE)


@dataclass(frozen=True, slots=True)
class PointedObject:
    """The marks that mean one object."""

    concept: str
    marks: tuple[Mark, ...]  # in pixels
    is_painted: bool = False


def answer_marks(look: Look, subject: Subject, context: Context) -> Drawn:
    """Find the objects that were pointed at, each as one region of its label."""
    shown = []
    annotate = look.options.annotate
    # The features that were made for the suggestions serve here, too.
    options = PickOptions(annotate.scale, annotate.overlap, annotate.contrast)
    for each in pointed_objects(subject, context):
        picked = look.session.pick(
            subject.picture.image, each.marks, options, subject.words.vocabulary, look.watch
        )
        region = _region(each.concept, picked.mask, picked.score, look)
        place = _one_place(subject.words, each)
        shown.append(drawn([region], place, subject.picture.canvas, look.options))
    return Drawn(
        tuple(item for each in shown for item in each.items),
        tuple(region for each in shown for region in each.regions),
    )


def has_marks(context: Context, picture: Picture) -> bool:
    """Whether anything was pointed at in this picture."""
    return any(_here(mark, picture) for mark in _pointed(context))


def _pointed(context: Context) -> tuple[Clicked | Dragged | Painted, ...]:
    return (*context.clicked, *context.dragged, *context.painted)


def _here(mark: Clicked | Dragged | Painted, picture: Picture) -> bool:
    canvas = picture.canvas
    return mark.image == canvas.image and canvas.index in (None, mark.index)


def pointed_objects(subject: Subject, context: Context) -> Iterator[PointedObject]:
    """Which marks of a picture mean which objects; raises TaskError for a mark without label."""
    size = subject.picture.canvas.size
    here = [mark for mark in _pointed(context) if _here(mark, subject.picture)]
    negative = [mark for mark in here if not mark.positive]
    points = [mark for mark in here if isinstance(mark, Clicked) and mark.positive]
    boxes = [mark for mark in here if isinstance(mark, Dragged) and mark.positive]
    strokes = [mark for mark in here if isinstance(mark, Painted) and mark.positive]
    if not (points or boxes or strokes):
        raise TaskError("only what does not belong to an object was marked; mark the object, too")
    loose = list(points)
    for box in boxes:
        concept = _concept_of(box, subject.words)
        framed = _box_mark(box, concept, size)
        inside = [point for point in points if _is_inside(point, framed, size)]
        loose = [point for point in loose if point not in inside]
        others = _marks([*inside, *negative], concept, size)
        yield PointedObject(concept, (framed, *others))
    together: dict[str, list[Clicked | Painted]] = {}
    rest: list[Clicked | Painted] = [*loose, *strokes]
    for mark in rest:
        together.setdefault(_concept_of(mark, subject.words), []).append(mark)
    for concept, marks in together.items():
        is_painted = any(isinstance(mark, Painted) for mark in marks)
        yield PointedObject(concept, tuple(_marks([*marks, *negative], concept, size)), is_painted)


def _concept_of(mark: Clicked | Dragged | Painted, words: ImageWords) -> str:
    concepts = tuple(dict.fromkeys(place.concept for place in words.places))
    if mark.label is None and len(concepts) == 1:
        return concepts[0]
    found = None if mark.label is None else words.concept_of(mark.label)
    if found is None:
        raise TaskError(
            f"no shape control has the label {mark.label!r} of this mark; choose one of: "
            f"{listed_by_nearness(mark.label or '', concepts)}"
        )
    return found


def _marks(
    marks: Sequence[Clicked | Dragged | Painted], concept: str, size: Size
) -> Iterator[Mark]:
    for mark in marks:
        if isinstance(mark, Clicked):
            x, y = _pixel(mark.x, mark.y, size)
            yield PointMark(concept, x, y, mark.positive)
        elif isinstance(mark, Dragged):
            yield _box_mark(mark, concept, size)
        else:
            yield AreaMark(concept, _painted_mask(mark, size), mark.positive)


def _pixel(x: float, y: float, size: Size) -> tuple[float, float]:
    return x * size.width / 100, y * size.height / 100


def _box_mark(box: Dragged, concept: str, size: Size) -> BoxMark:
    """The upright box around a box that may be turned."""
    corner, sides = _pixel(*box.corner, size), _pixel(*box.sides, size)
    ring = rectangle_ring(corner, sides, box.degrees)
    (left, top), (right, bottom) = ring.min(axis=0).tolist(), ring.max(axis=0).tolist()
    return BoxMark(concept, left, top, right, bottom, box.positive)


def _is_inside(point: Clicked, box: BoxMark, size: Size) -> bool:
    x, y = _pixel(point.x, point.y, size)
    return box.left <= x <= box.right and box.top <= y <= box.bottom


def _painted_mask(mark: Painted, size: Size) -> NDArray[np.bool_]:
    """The pixels of a stroke; its own note of the picture's size guards the decoder."""
    drawn_on = mark.item.size("original_height", "original_width")
    if drawn_on != size:
        raise TaskError(
            f"{mark.item.where} was painted on a picture of {drawn_on}, this one has {size}; "
            "reload the page"
        )
    pixels = np.zeros((size.height, size.width), np.bool_)
    for region in regions_of_results(Field([mark.item.value], mark.item.where)):
        mask = mask_of(region, size)
        pixels[mask.box.slices] |= mask.array()
    return pixels


def _region(concept: str, mask: NDArray[np.bool_], score: float, look: Look) -> Region:
    size = Size(*mask.shape)
    tight = mask_of(Region(concept, (), Mask.of(mask)), size)
    options = look.options.regions
    polygons = tuple(
        simplified(polygon, options.tolerance, options.minimum_iou).polygon
        for polygon in trace(tight.array(), tight.box.top, tight.box.left)
    )
    return Region(concept, polygons, tight, score)


def _one_place(words: ImageWords, found: PointedObject) -> ImageWords:
    """One object is one region: in the kind of control it was painted with, else by preference."""
    first = (Kind.BRUSH, Kind.BITMASK) if found.is_painted else ()
    order = (*first, *_PREFERRED)
    places = [place for place in words.places if place.concept == found.concept]
    best = min(places, key=lambda place: order.index(place.control.kind))
    return replace(words, places=(best,))
