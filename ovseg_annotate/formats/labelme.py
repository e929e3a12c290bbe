"""labelme: one JSON file a picture.

Frame: labelme fills a polygon and draws its outline, so its points are the centres of pixels on
the border, counted from 0 (`labelme_frame`). Regions are written as polygons from which labelme
draws exactly their pixels; those with holes or with parts of one or two pixels as a mask: a PNG
of the box, whose corners are whole numbers and both inclusive. Parts of one region share a
`group_id`. Scores and margins stand in `description`; large regions come first, because later
shapes cover earlier ones. Provenance is not kept. labels.txt lists the concepts.
"""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from ovseg_annotate.errors import FormatError
from ovseg_annotate.formats import labelme_frame
from ovseg_annotate.formats.atomic import write_atomically
from ovseg_annotate.formats.concepts import ConceptTable, ReadConcepts, read_names, write_names
from ovseg_annotate.formats.fields import Field, plain_json, read_json
from ovseg_annotate.formats.file_names import FileNames, files_below
from ovseg_annotate.formats.index_png import png_numbers, png_size
from ovseg_annotate.formats.outlines import (
    ellipse_ring,
    pairs_of,
    rectangle_ring,
    ring_of_pairs,
    within,
)
from ovseg_annotate.formats.pixel_maps import MaskMemory, drawing_order, masks_of, union_of
from ovseg_annotate.geometry import Polygon, Ring, Size
from ovseg_annotate.plain_data import json_value
from ovseg_annotate.regions import AnnotatedImage, Mask, Region, mask_of

NAMES_FILE = "labels.txt"
SUFFIX = ".json"

_VERSION = "5.0.0"  # of the file format: the first with the shape "mask"
_DECIMALS = 4  # of a pixel
_NOT_CONCEPTS = ("__ignore__", "_background_")


@dataclass(frozen=True, slots=True)
class LabelmeOptions:
    """Which shapes are used."""

    polygons: bool = True  # False: masks only, which labelme cannot edit point by point
    tolerance: float = 0.0  # px that an outline may be off, for fewer points; 0: exact


_DEFAULTS = LabelmeOptions()


def write(
    images: Iterable[AnnotatedImage], folder: Path, options: LabelmeOptions = _DEFAULTS
) -> tuple[Path, ...]:
    """Write <picture>.json for each picture, and labels.txt."""
    names, concepts = FileNames(twins=True), ConceptTable()
    for image in images:
        concepts.numbers_of(image)  # refuses what is not among the concepts
        path = folder / f"{names.stem_of(image.name)}{SUFFIX}"
        write_atomically(path, plain_json(_plain(image, options)) + "\n")
    return write_names(folder / NAMES_FILE, concepts.names), folder


def read(path: Path) -> Iterator[AnnotatedImage]:
    """Read one file, or all below a folder."""
    root = path if path.is_dir() else path.parent
    files = files_below(path, SUFFIX) if path.is_dir() else iter((path,))
    concepts = _concepts(root, path)
    for file in files:
        yield _image(read_json(file), file.relative_to(root), concepts)


def _plain(image: AnnotatedImage, options: LabelmeOptions) -> dict[str, object]:
    masks = masks_of(image)
    shapes = []
    for number, index in enumerate(drawing_order(masks), start=1):
        shapes += _shapes(image.regions[index], masks[index], number, options)
    return {
        "version": _VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": PurePosixPath(image.name).name,
        "imageData": None,
        "imageHeight": image.size.height,
        "imageWidth": image.size.width,
    }


def _shapes(
    region: Region, mask: Mask, number: int, options: LabelmeOptions
) -> list[dict[str, object]]:
    if not mask.area:
        return []
    scores = {"score": region.confidence, "margin": region.margin}
    known = {name: value for name, value in scores.items() if value is not None}
    rings: tuple[Ring, ...] = ()
    if options.polygons:
        rings = labelme_frame.rings_of_mask(mask, options.tolerance)
    common: dict[str, object] = {
        "label": region.concept,
        "group_id": number if len(rings) > 1 else None,
        "description": plain_json(known) if known else "",
        "flags": {},
    }
    if not rings:
        return [common | _mask_shape(mask)]
    return [
        common | {"shape_type": "polygon", "points": pairs_of(ring, _DECIMALS), "mask": None}
        for ring in rings
    ]


def _mask_shape(mask: Mask) -> dict[str, object]:
    file = io.BytesIO()
    Image.fromarray(mask.array().astype(np.uint8)).save(file, "PNG")
    box = mask.box
    return {
        "shape_type": "mask",
        "points": [[box.left, box.top], [box.right - 1, box.bottom - 1]],
        "mask": base64.b64encode(file.getvalue()).decode("ascii"),
    }


def _concepts(root: Path, path: Path) -> ReadConcepts:
    """From labels.txt, or else from a pass over all files."""
    listed = root / NAMES_FILE
    names: dict[str, None] = {}
    if listed.is_file():
        names.update(dict.fromkeys(read_names(listed)))
        where = listed
    else:
        where = path
        for file in files_below(path, SUFFIX) if path.is_dir() else (path,):
            shapes = read_json(file).get("shapes")
            names.update((shape.get("label").text(), None) for shape in shapes.items())
    kept = [name for name in names if name.strip() not in _NOT_CONCEPTS]
    if not kept:
        raise FormatError(f"{where}: no labelled shape, so there is nothing to read")
    return ReadConcepts(kept, str(where))


def _image(field: Field, file: Path, concepts: ReadConcepts) -> AnnotatedImage:
    size = field.size("imageHeight", "imageWidth")
    parts: dict[object, list[Region]] = {}  # of each region, by what they have in common
    memory = MaskMemory(field.where)
    for number, shape in enumerate(field.get("shapes").items()):
        region = memory.with_room_for(_region(shape, size, concepts))
        group = shape.find("group_id")
        if region is None:
            continue
        key = number if group is None else (region.concept, group.whole(-(2**31)))
        parts.setdefault(key, []).append(region)
    regions = [_joined(each) for each in parts.values()]
    picture = field.get("imagePath").text().replace("\\", "/")
    name = PurePosixPath(*file.parent.parts) / PurePosixPath(picture).name
    return AnnotatedImage(str(name), size, tuple(regions), concepts.vocabulary, None)


def _joined(parts: list[Region]) -> Region:
    """One region of several shapes; its polygons are known if those of all are."""
    first = parts[0]
    if len(parts) == 1:
        return first
    masks = [region.mask for region in parts if region.mask is not None]
    polygons: tuple[Polygon, ...] = ()
    if all(region.polygons for region in parts):
        polygons = tuple(polygon for region in parts for polygon in region.polygons)
    return Region(first.concept, polygons, union_of(masks), first.confidence, first.margin)


def _region(shape: Field, size: Size, concepts: ReadConcepts) -> Region | None:
    """Read one shape; None for kinds without an area and for what encloses nothing."""
    kind = shape.get("shape_type").text()
    if kind not in ("polygon", "rectangle", "circle", "mask"):
        return None
    concept = concepts.named(shape.get("label").text(), shape.where)
    confidence, margin = _scores(shape)
    polygons: tuple[Polygon, ...] = ()
    if kind == "mask":
        mask = _mask(shape, size)
    else:
        ring = _ring(shape, kind)
        mask = labelme_frame.drawn_mask(ring, size)
        polygons = within(labelme_frame.polygons_of_ring(ring), size)
    if mask is None:
        return None
    return Region(concept, polygons, mask, confidence, margin)


def _ring(shape: Field, kind: str) -> Ring:
    points = ring_of_pairs(shape.get("points"))
    wanted = "at least 3 points" if kind == "polygon" else "2 points"
    if len(points) != 2 if kind != "polygon" else len(points) < 3:
        raise shape.get("points").wrong(wanted)
    if kind == "rectangle":
        low, high = points.min(axis=0), points.max(axis=0)
        return rectangle_ring(low.tolist(), (high - low).tolist())
    if kind == "circle":
        radius = float(np.hypot(*(points[1] - points[0])))
        return ellipse_ring(points[0].tolist(), (radius, radius))
    return points


def _mask(shape: Field, size: Size) -> Mask | None:
    points = [
        [number.whole(-(2**31), 2**31) for number in point.items()]
        for point in shape.get("points").items()
    ]
    if [len(point) for point in points] != [2, 2]:
        raise shape.get("points").wrong("two corners [[left, top], [right, bottom]]")
    (left, top), (right, bottom) = points
    text = shape.get("mask")
    try:
        data = base64.b64decode(text.text(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise FormatError(f"{text.where}: damaged base64: {error}") from error
    box = Size(height=bottom - top + 1, width=right - left + 1)
    if png_size(io.BytesIO(data), text.where) != box:
        raise text.wrong(f"a PNG of {box} as its corners say")
    if box.area > size.area:
        raise text.wrong(f"a mask no larger than the picture of {size}")
    pixels = png_numbers(io.BytesIO(data), text.where) > 0
    inside = mask_of(Region("", (), Mask.of(pixels, top, left)), size)
    return inside if inside.area else None


def _scores(shape: Field) -> tuple[float | None, float | None]:
    """Confidence and margin from the description, which otherwise is anybody's text."""
    description = shape.find("description")
    if description is None or not str(description.value).startswith("{"):
        return None, None
    try:
        plain = json_value(description.text())
    except ValueError:
        return None, None
    fields = Field(plain, description.where)
    score, margin = fields.find("score"), fields.find("margin")
    return (
        None if score is None else score.share(),
        None if margin is None else margin.share(),
    )
