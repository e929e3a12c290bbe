"""CVAT for images, XML 1.1: one file for all pictures.

Frame: pixel edges, two decimals. A region without holes is a polygon, or one a part with a
`group_id` in common; one with holes is a mask: run lengths of its box, row after row, background
first. `source` says who drew it. Later shapes lie above earlier ones (z_order), so large regions
come first. Scores and provenance are not kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np

from ovseg_annotate.errors import FormatError
from ovseg_annotate.formats.atomic import append_spooled, as_utf8, atomic_file, spool
from ovseg_annotate.formats.concepts import ConceptTable, ReadConcepts
from ovseg_annotate.formats.cvat_reading import Element, xml_elements
from ovseg_annotate.formats.fields import MAXIMUM_PIXELS, Field
from ovseg_annotate.formats.file_names import file_or_in
from ovseg_annotate.formats.flat_runs import alternating_counts, check_counts, expanded
from ovseg_annotate.formats.outlines import (
    coordinate,
    ellipse_ring,
    polygons_of_ring,
    rectangle_ring,
    ring_of_pairs,
    shown_polygons,
    turned,
)
from ovseg_annotate.formats.pixel_maps import MaskMemory, cropped, drawing_order, masks_of
from ovseg_annotate.geometry import Polygon, Ring, Size
from ovseg_annotate.regions import AnnotatedImage, Mask, Region

FILE_NAME = "annotations.xml"

_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class CvatOptions:
    """What the task is called."""

    task: str = "ovseg-annotate"


_DEFAULTS = CvatOptions()


def write(
    images: Iterable[AnnotatedImage], folder: Path, options: CvatOptions = _DEFAULTS
) -> tuple[Path, ...]:
    """Write annotations.xml, picture by picture; labels and count come first in the file."""
    path = folder / FILE_NAME
    concepts = ConceptTable()
    with spool(folder) as body, atomic_file(path) as file:
        count = 0
        for image in images:
            concepts.numbers_of(image)  # refuses what is not among the concepts
            body.write(_text_of(_image_element(image, count)))
            count += 1
        file.write(b"<?xml version='1.0' encoding='utf-8'?>\n<annotations>\n")
        version = ET.Element("version")
        version.text = "1.1"
        file.write(_text_of(version) + _text_of(_meta(concepts, options, count)))
        append_spooled(file, body)
        file.write(b"</annotations>\n")
    return (path,)


def read(path: Path) -> Iterator[AnnotatedImage]:
    """Read a file, or annotations.xml of a folder, picture by picture.

    Polygons, masks, boxes and ellipses count; a group of polygons of one label is one region.
    """
    path = file_or_in(path, FILE_NAME)
    concepts: ReadConcepts | None = None
    for element in xml_elements(path, ("labels", "image")):
        if element.tag == "labels":
            concepts = _concepts(element)
        elif concepts is None:
            raise FormatError(f"{element.where}: pictures before the list of labels in <meta>")
        else:
            yield _image(element, concepts)
    if concepts is None:
        raise FormatError(f"{path}: no <labels> in <meta>; is it an export 'CVAT for images 1.1'?")


def _text_of(element: ET.Element) -> bytes:
    text = ET.tostring(element, encoding="unicode")
    bad = _NOT_IN_XML.search(text)
    if bad:
        around = text[max(bad.start() - 30, 0) : bad.end() + 10]
        raise FormatError(f"{around!r} holds a control character, which XML cannot; rename it")
    return as_utf8(text + "\n")


def _meta(concepts: ConceptTable, options: CvatOptions, count: int) -> ET.Element:
    meta = ET.Element("meta")
    task = ET.SubElement(meta, "task")
    for tag, text in (("name", options.task), ("size", str(count)), ("mode", "annotation")):
        ET.SubElement(task, tag).text = text
    labels = ET.SubElement(task, "labels")
    for name, colour in zip(concepts.names, concepts.colours, strict=True):
        label = ET.SubElement(labels, "label")
        ET.SubElement(label, "name").text = name
        ET.SubElement(label, "color").text = "#{:02x}{:02x}{:02x}".format(*colour)
        ET.SubElement(label, "attributes")
    return meta


def _image_element(image: AnnotatedImage, number: int) -> ET.Element:
    element = ET.Element(
        "image",
        id=str(number),
        name=image.name,
        width=str(image.size.width),
        height=str(image.size.height),
    )
    masks = masks_of(image)
    group = 0
    for level, index in enumerate(drawing_order(masks)):
        region, mask = image.regions[index], masks[index]
        polygons = shown_polygons(region, image)
        common = {
            "label": region.concept,
            "source": "manual" if image.provenance is None else "auto",
            "occluded": "0",
            "z_order": str(level),
        }
        if not any(polygon.holes for polygon in polygons):
            group += len(polygons) > 1
            if len(polygons) > 1:
                common["group_id"] = str(group)
            for polygon in polygons:
                points = ";".join(f"{x:.2f},{y:.2f}" for x, y in polygon.outline.tolist())
                ET.SubElement(element, "polygon", common, points=points)
        elif mask.area:
            ET.SubElement(element, "mask", common | _mask_attributes(mask))
    return element


def _mask_attributes(mask: Mask) -> dict[str, str]:
    counts = alternating_counts(mask.array().reshape(-1))
    return {
        "rle": ", ".join(map(str, counts.tolist())),
        "left": str(mask.box.left),
        "top": str(mask.box.top),
        "width": str(mask.box.width),
        "height": str(mask.box.height),
    }


def _concepts(labels: Element) -> ReadConcepts:
    names = [
        name.text for label in labels.find("label") for name in label.children if name.tag == "name"
    ]
    return ReadConcepts(names, labels.where)


def _image(element: Element, concepts: ReadConcepts) -> AnnotatedImage:
    numbers: dict[str, object] = {
        name: element.number(name).whole() for name in ("width", "height")
    }
    size = Field(numbers, element.where).size()
    regions: list[Region] = []
    groups: dict[tuple[str, str], int] = {}
    memory = MaskMemory(element.where)
    for shape in element.children:
        region = memory.with_room_for(_region(shape, size, concepts))
        if region is None:
            continue
        group = (shape.attributes.get("group_id", "0"), region.concept)
        if region.mask is None and group[0] != "0":
            if group in groups:
                home = regions[groups[group]]
                regions[groups[group]] = Region(
                    region.concept, home.polygons + region.polygons, None
                )
                continue
            groups[group] = len(regions)
        regions.append(region)
    return AnnotatedImage(
        element.attribute("name"), size, tuple(regions), concepts.vocabulary, None
    )


def _region(shape: Element, size: Size, concepts: ReadConcepts) -> Region | None:
    """Read one shape; None for kinds without an area and for what encloses nothing."""
    if shape.tag not in ("polygon", "mask", "box", "ellipse"):
        return None
    concept = concepts.named(shape.attribute("label"), shape.where)
    if shape.tag == "mask":
        mask = _mask(shape, size)
        return None if mask is None else Region(concept, (), mask)
    polygons: tuple[Polygon, ...] = polygons_of_ring(_ring(shape), size, shape.where)
    return Region(concept, polygons, None) if polygons else None


def _ring(shape: Element) -> Ring:
    if shape.tag == "polygon":
        return _points(shape)
    degrees = shape.number("rotation").number() if "rotation" in shape.attributes else 0.0
    if shape.tag == "ellipse":
        x, y, across, down = (coordinate(shape.number(name)) for name in ("cx", "cy", "rx", "ry"))
        return ellipse_ring((x, y), (across, down), degrees)
    left, top, right, bottom = (
        coordinate(shape.number(name)) for name in ("xtl", "ytl", "xbr", "ybr")
    )
    # CVAT turns a box about its centre, our rectangle turns about its corner.
    centre = np.array([(left + right) / 2, (top + bottom) / 2])
    ring = rectangle_ring((left, top), (right - left, bottom - top)) - centre
    box: Ring = turned(ring, degrees) + centre
    return box


def _points(shape: Element) -> Ring:
    try:
        pairs = [
            [float(number) for number in pair.split(",")]
            for pair in shape.attribute("points").split(";")
        ]
    except ValueError as error:
        raise FormatError(f"{shape.where} points: expected x,y;x,y;...: {error}") from error
    return ring_of_pairs(Field(pairs, f"{shape.where} points"))


def _mask(shape: Element, size: Size) -> Mask | None:
    left, top, width, height = (
        shape.number(name).whole(0, MAXIMUM_PIXELS) for name in ("left", "top", "width", "height")
    )
    if left + width > size.width or top + height > size.height:
        raise FormatError(f"{shape.where}: the mask reaches out of the picture of {size}")
    try:
        counts = np.array([int(word) for word in shape.attribute("rle").split(",")], np.int64)
    except (ValueError, OverflowError) as error:
        raise FormatError(f"{shape.where} rle: expected whole numbers: {error}") from error
    check_counts(counts, width * height, f"{shape.where} rle")
    return cropped(expanded(counts).reshape(height, width), top, left)
