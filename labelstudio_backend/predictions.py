"""From what a session found in a picture to Label Studio's result items.

Frame: percent of the upright picture, see `ovseg_annotate.formats.label_studio_results`.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from labelstudio_backend.editor_limits import area_of, within_limits
from labelstudio_backend.label_config import Control, Kind
from labelstudio_backend.suggest_options import SuggestOptions
from labelstudio_backend.words import ImageWords
from ovseg_annotate.formats.label_studio_results import LabelStudioOptions, results_of
from ovseg_annotate.geometry import Polygon, Size
from ovseg_annotate.regions import AnnotatedImage, Mask, Region, mask_of

Item: TypeAlias = Mapping[str, object]
_Format: TypeAlias = Literal["polygon", "brush", "bitmask"]

_FORMATS: Mapping[Kind, _Format] = {
    Kind.POLYGON: "polygon",
    Kind.BRUSH: "brush",
    Kind.BITMASK: "bitmask",
}
_DECIMALS = 6  # of percent

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Canvas:
    """The picture that items are drawn on."""

    image: str  # name of the Image tag
    size: Size  # upright
    index: int | None = None  # among several pictures of one tag


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """The items of one picture, and the regions they show."""

    items: tuple[Item, ...]
    regions: tuple[Region, ...]
    certainty: float | None = None  # 0 to 1, where it is least; None: nobody asked


def drawn(
    regions: Iterable[Region], words: ImageWords, canvas: Canvas, options: SuggestOptions
) -> Drawn:
    """Answer regions into every control that has a label for their concept."""
    controls = tuple(dict.fromkeys(place.control for place in words.places))
    wanted = {place.concept for place in words.places}
    times = sum(control.kind is Kind.POLYGON for control in controls)
    found = [_sure(region) for region in regions if region.concept in wanted]
    shown = within_limits(found, times, options)
    if shown.note is not None:
        _log.warning("%s", shown.note)
    items = [
        item
        for control in controls
        for item in _items(shown.regions, words, control, canvas, options)
    ]
    return Drawn(tuple(items), shown.regions)


def choices_item(control: Control, canvas: Canvas, chosen: Sequence[str], score: float) -> Item:
    """What holds of the whole picture."""
    return {
        "id": uuid.uuid4().hex,
        "type": Kind.CHOICES.value,
        "value": {"choices": list(chosen)},
        "score": min(max(score, 0.0), 1.0),
        **_common(control, canvas),
    }


def score_of(regions: Sequence[Region]) -> float:
    """How sure the machine is of a task; 0 where it found nothing, so that a person looks."""
    weights = [area_of(region) for region in regions]
    if not sum(weights):
        return 0.0
    return float(np.average([region.confidence or 0.0 for region in regions], weights=weights))


def task_score(pictures: Sequence[Drawn]) -> float:
    """How sure the machine is of a task, 0 to 1: of the picture that it is least sure of.

    Label Studio's uncertainty sampling gives people the task with the lowest score first.
    """
    known = [each.certainty for each in pictures if each.certainty is not None]
    if known:
        return min(known)
    return score_of([region for each in pictures for region in each.regions])


def _items(
    regions: Sequence[Region],
    words: ImageWords,
    control: Control,
    canvas: Canvas,
    options: SuggestOptions,
) -> list[Item]:
    """The items of one control."""
    labels = {place.concept: place.label for place in words.places if place.control == control}
    mine = [region for region in regions if region.concept in labels]
    if control.kind is Kind.POLYGON:
        mine = _as_polygons(mine, words, options)
    elif control.kind is not Kind.RECTANGLE and len(mine) > options.brushes_per_task:
        mine = _joined(mine, canvas.size)
    labelled = [replace(region, concept=labels[region.concept]) for region in mine]
    if control.kind is Kind.RECTANGLE or words.vocabulary is None:
        items = [_rectangle(region, canvas) for region in labelled]
    else:
        image = AnnotatedImage("the picture", canvas.size, tuple(labelled), words.vocabulary, None)
        shapes = _FORMATS[control.kind]
        items = results_of(image, LabelStudioOptions(shapes, control.name, canvas.image))
    return [item | _common(control, canvas) for item in items]


def _rectangle(region: Region, canvas: Canvas) -> dict[str, object]:
    box = mask_of(region, canvas.size).box
    across, down = 100.0 / canvas.size.width, 100.0 / canvas.size.height
    return {
        "id": uuid.uuid4().hex,
        "original_width": canvas.size.width,
        "original_height": canvas.size.height,
        "image_rotation": 0,
        "score": region.confidence,
        "type": Kind.RECTANGLE.value,
        "value": {
            "x": round(box.left * across, _DECIMALS),
            "y": round(box.top * down, _DECIMALS),
            "width": round(box.width * across, _DECIMALS),
            "height": round(box.height * down, _DECIMALS),
            "rotation": 0,
            Kind.RECTANGLE.value: [region.concept],
        },
    }


def _common(control: Control, canvas: Canvas) -> dict[str, object]:
    place: dict[str, object] = {"from_name": control.name, "to_name": canvas.image}
    return place if canvas.index is None else place | {"item_index": canvas.index}


def _sure(region: Region) -> Region:
    """Half precision may give a hair more than one."""
    return replace(region, confidence=min(max(region.confidence or 0.0, 0.0), 1.0))


def _as_polygons(
    regions: Sequence[Region], words: ImageWords, options: SuggestOptions
) -> list[Region]:
    """What a polygon control shows of them: it knows no holes."""
    if options.holes == "fill":
        return [
            replace(region, polygons=tuple(Polygon(each.outline) for each in region.polygons))
            for region in regions
        ]
    exact_kind = f"{options.holes}labels"
    exact = {place.concept for place in words.places if place.control.kind == exact_kind}
    # Where a control with exact pixels has the label, it shows the region already.
    return [
        region
        for region in regions
        if region.concept not in exact or not any(each.holes for each in region.polygons)
    ]


def _joined(regions: Sequence[Region], size: Size) -> list[Region]:
    """One region a concept, with all their pixels."""
    by_concept: dict[str, list[Region]] = {}
    for region in regions:
        by_concept.setdefault(region.concept, []).append(region)
    joined = []
    for concept, members in by_concept.items():
        pixels = np.zeros((size.height, size.width), np.bool_)
        for member in members:
            mask = mask_of(member, size)
            pixels[mask.box.slices] |= mask.array()
        mask = mask_of(Region(concept, (), Mask.of(pixels)), size)
        joined.append(Region(concept, (), mask, score_of(members)))
    return joined
