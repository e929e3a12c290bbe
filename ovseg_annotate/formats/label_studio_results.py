"""Regions as Label Studio's result items, and back.

Frame: percent of the upright picture, from its upper left corner; no half-pixel shift. Polygons
have no holes there, so a hole becomes part of one ring (`keyhole`). A region of several parts
becomes one polygon a part; the later ones name the first as their parent, which Label Studio
shows as a tree, and which joins them again here. A brush or bitmask holds all parts exactly.
"""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ovseg_annotate.errors import FormatError
from ovseg_annotate.formats import label_studio_rle
from ovseg_annotate.formats.fields import Field
from ovseg_annotate.formats.flat_runs import Box, box_of_counts, counts_around
from ovseg_annotate.formats.index_png import png_alpha, png_of_alpha
from ovseg_annotate.formats.keyhole import keyhole_ring
from ovseg_annotate.formats.outlines import (
    coordinate,
    ellipse_ring,
    pairs_of,
    polygons_of_ring,
    rectangle_ring,
    ring_of_pairs,
    shown_polygons,
)
from ovseg_annotate.formats.pixel_maps import MaskMemory, cropped
from ovseg_annotate.geometry import Polygon, Ring, Size
from ovseg_annotate.regions import AnnotatedImage, Mask, Region, mask_of

# The browser freezes on polygons with more points; within_budget keeps suggestions far below.
MAXIMUM_POINTS = 5000

# A region drawn with a plain Polygon or Brush tag comes twice; "labels" is the labelled twin.
_KINDS = (
    "polygonlabels",
    "brushlabels",
    "bitmasklabels",
    "rectanglelabels",
    "ellipselabels",
    "labels",
)
_DECIMALS = 6  # of percent: a hundredth of a pixel on a side of a million
_PNG_START = "data:image/png;base64,"


@dataclass(frozen=True, slots=True)
class LabelStudioOptions:
    """Which control tags of the labeling config the regions belong to."""

    shapes: Literal["polygon", "brush", "bitmask"] = "polygon"
    from_name: str = "label"  # the PolygonLabels, BrushLabels or BitmaskLabels tag
    to_name: str = "image"  # the Image tag
    brush_name: str = ""  # a BrushLabels tag for polygons of too many points; "": an error instead
    image_key: str = "image"  # of the task's data, the config's value="$image"
    image_prefix: str = ""  # before each picture's name: "/data/local-files/?d=photos/"


@dataclass(frozen=True, slots=True, eq=False)
class _Item:
    """What one result item says."""

    identity: str | None
    parent: str | None
    is_polygon: bool
    region: Region


def results_of(image: AnnotatedImage, options: LabelStudioOptions) -> list[dict[str, object]]:
    """The result items of a picture, each with an id that was never used before."""
    items: list[dict[str, object]] = []
    for region in image.regions:
        if options.shapes == "polygon":
            items += _polygon_items(region, image, options)
        else:
            items += _pixel_items(region, image, options.shapes, options.from_name, options)
    return items


def regions_of_results(results: Field) -> tuple[Region, ...]:
    """Read result items; other kinds than outlines and masks, and unlabelled ones, do not count."""
    parents: dict[str, int] = {}
    regions: list[Region] = []
    memory = MaskMemory(results.where)
    for result in results.items():
        for item in _items(result):
            memory.with_room_for(item.region)
            home = None if item.parent is None else parents.get(item.parent)
            if home is not None and item.is_polygon and _same(regions[home], item.region):
                parts = regions[home].polygons + item.region.polygons
                first = regions[home]
                regions[home] = Region(first.concept, parts, None, first.confidence)
            else:
                if item.is_polygon and item.identity is not None:
                    parents[item.identity] = len(regions)
                regions.append(item.region)
    return tuple(regions)


def size_of_results(results: Field) -> Size | None:
    """The size of the picture, if any result item says it."""
    for result in results.items():
        if result.find("original_width") is not None:
            return result.size("original_height", "original_width")
    return None


def concepts_of_results(results: Field) -> Iterator[str]:
    """The names of all concepts, repeated as they come."""
    for result in results.items():
        yield from _concepts(result)


def task_score(image: AnnotatedImage) -> float | None:
    """How sure the machine is of the whole picture: its regions' confidence, weighted by area."""
    known = [region for region in image.regions if region.confidence is not None]
    weights = [_area(region) for region in known]
    if not sum(weights):
        return None
    return float(np.average([region.confidence or 0.0 for region in known], weights=weights))


def _area(region: Region) -> float:
    if region.mask is not None:
        return region.mask.area
    return sum(polygon.area for polygon in region.polygons)


def _polygon_items(
    region: Region, image: AnnotatedImage, options: LabelStudioOptions
) -> list[dict[str, object]]:
    rings = [keyhole_ring(polygon) for polygon in shown_polygons(region, image)]
    longest = max((len(ring) for ring in rings), default=0)
    if longest > MAXIMUM_POINTS:
        if options.brush_name:
            return _pixel_items(region, image, "brush", options.brush_name, options)
        raise FormatError(
            f"{image.name}: a polygon of {region.concept!r} has {longest} points; Label Studio "
            f"freezes above {MAXIMUM_POINTS}: simplify to a vertex budget, or name a BrushLabels "
            "tag in brush_name"
        )
    items: list[dict[str, object]] = []
    percent = np.array([100.0 / image.size.width, 100.0 / image.size.height])
    for ring in rings:
        points = pairs_of(np.clip(ring * percent, 0.0, 100.0), _DECIMALS)
        value = {"points": points, "closed": True, "polygonlabels": [region.concept]}
        item = _item(region, image, options.from_name, options) | {
            "type": "polygonlabels",
            "value": value,
        }
        if items:
            item["parentID"] = items[0]["id"]
        items.append(item)
    return items


def _pixel_items(
    region: Region,
    image: AnnotatedImage,
    shapes: Literal["brush", "bitmask"],
    from_name: str,
    options: LabelStudioOptions,
) -> list[dict[str, object]]:
    mask = mask_of(region, image.size)
    if not mask.area:
        return []
    rows = Box(mask.array(), mask.box.top, mask.box.left)
    value: dict[str, object]
    if shapes == "brush":
        counts = counts_around(rows, line_length=image.size.width, line_count=image.size.height)
        value = {"format": "rle", "rle": list(label_studio_rle.encode_counts(counts))}
    else:
        pixels = np.zeros((image.size.height, image.size.width), np.bool_)
        pixels[mask.box.slices] = rows.lines
        data = base64.b64encode(png_of_alpha(pixels)).decode("ascii")
        value = {"imageDataURL": _PNG_START + data}
    value[f"{shapes}labels"] = [region.concept]
    return [_item(region, image, from_name, options) | {"type": f"{shapes}labels", "value": value}]


def _item(
    region: Region, image: AnnotatedImage, from_name: str, options: LabelStudioOptions
) -> dict[str, object]:
    item: dict[str, object] = {
        "id": uuid.uuid4().hex,
        "from_name": from_name,
        "to_name": options.to_name,
        "original_width": image.size.width,
        "original_height": image.size.height,
        "image_rotation": 0,
    }
    if region.confidence is not None:
        item["score"] = region.confidence
    return item


def _same(first: Region, other: Region) -> bool:
    return first.concept == other.concept and first.confidence == other.confidence


def _items(result: Field) -> Iterator[_Item]:
    concepts = _concepts(result)
    if not concepts:
        return
    size = result.size("original_height", "original_width")
    rotation = result.find("image_rotation")
    if rotation is not None and rotation.number() != 0:
        raise rotation.wrong("0; turn the picture back in Label Studio before the export")
    value = result.get("value")
    ring = _ring(value, size)
    mask = _mask(value, size) if ring is None else None
    polygons: tuple[Polygon, ...] = (
        () if ring is None else polygons_of_ring(ring, size, value.where)
    )
    if mask is None and not polygons:
        return
    identity, parent, score = (result.find(name) for name in ("id", "parentID", "score"))
    for concept in concepts:
        yield _Item(
            None if identity is None else identity.text(),
            None if parent is None else parent.text(),
            ring is not None,
            Region(concept, polygons, mask, None if score is None else score.share()),
        )


def _concepts(result: Field) -> list[str]:
    """The labels of an outline or mask; [] for other results and where nobody chose one."""
    value = result.find("value")
    if value is None or not isinstance(value.value, dict):
        return []
    kind = result.get("type").text()
    labels = value.find(kind) if kind in _KINDS else None
    if labels is None:
        return []
    names = [" ".join(label.text().split()) for label in labels.items()]
    if not all(names):
        raise labels.wrong("names of concepts")
    return names


def _ring(value: Field, size: Size) -> Ring | None:
    """The outline of a polygon, rectangle or ellipse, in pixels; None when it is none of them."""
    across = np.array([size.width / 100.0, size.height / 100.0])
    if value.find("points") is not None:
        ring: Ring = ring_of_pairs(value.get("points")) * across
        return ring
    if value.find("radiusX") is not None:
        centre, radii = _pair(value, "x", "y") * across, _pair(value, "radiusX", "radiusY") * across
        return ellipse_ring(centre.tolist(), radii.tolist(), _degrees(value))
    if value.find("height") is not None:
        corner, sides = _pair(value, "x", "y") * across, _pair(value, "width", "height") * across
        return rectangle_ring(corner.tolist(), sides.tolist(), _degrees(value))
    return None


def _mask(value: Field, size: Size) -> Mask | None:
    """The pixels of a brush or bitmask; None when there are none."""
    rle, url = value.find("rle"), value.find("imageDataURL")
    if rle is not None:
        if not isinstance(rle.value, list):
            raise rle.wrong("a list of numbers")
        try:
            counts = label_studio_rle.decode_counts(rle.value, size)
        except FormatError as error:
            raise FormatError(f"{rle.where}: {error}") from error
        box = box_of_counts(counts, line_length=size.width)
        return None if box is None else Mask.of(box.lines, box.first, box.offset)
    if url is not None:
        if not url.text().startswith(_PNG_START):
            raise url.wrong(f"a text that begins with {_PNG_START}")
        try:
            data = base64.b64decode(url.text()[len(_PNG_START) :], validate=True)
        except (binascii.Error, ValueError) as error:
            raise FormatError(f"{url.where}: damaged base64: {error}") from error
        return cropped(png_alpha(data, size, url.where))
    return None


def _pair(value: Field, first: str, second: str) -> Ring:
    return np.array([coordinate(value.get(first)), coordinate(value.get(second))])


def _degrees(value: Field) -> float:
    rotation = value.find("rotation")
    return 0.0 if rotation is None else rotation.number()
