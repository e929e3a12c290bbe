"""COCO instance segmentation: one JSON file for all pictures.

Frame: pixel edges, as inside; boxes are [x, y, width, height] of whole pixels. A region without
holes is a list of rings (COCO takes their union), one with holes a compressed run-length code.
Area and box are those of the pixels. Beyond COCO: `score` on annotations, and the provenance in a
list of its own at the end, named by `provenance` on images. Margins are not kept.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ovseg_annotate.errors import FormatError
from ovseg_annotate.formats import coco_rle
from ovseg_annotate.formats.atomic import append_spooled, atomic_file, spool
from ovseg_annotate.formats.concepts import ConceptTable, ReadConcepts
from ovseg_annotate.formats.fields import Field, plain_json
from ovseg_annotate.formats.file_names import file_or_in
from ovseg_annotate.formats.json_stream import Element, element_at, elements
from ovseg_annotate.formats.native import provenance_of
from ovseg_annotate.formats.outlines import (
    numbers_of,
    polygons_of_ring,
    ring_of_numbers,
    shown_polygons,
)
from ovseg_annotate.formats.pixel_maps import MaskMemory, cropped
from ovseg_annotate.geometry import Polygon, Size
from ovseg_annotate.provenance import Provenance
from ovseg_annotate.regions import AnnotatedImage, Mask, Region, mask_of
from ovseg_annotate.vocabulary import Vocabulary

FILE_NAME = "annotations.json"


@dataclass(frozen=True, slots=True)
class CocoOptions:
    """How regions are written."""

    polygons: bool = True  # False: run-length codes for all, exact pixels at the price of size
    decimals: int = 3  # of polygon coordinates, in pixels


_DEFAULTS = CocoOptions()


def write(
    images: Iterable[AnnotatedImage], folder: Path, options: CocoOptions = _DEFAULTS
) -> tuple[Path, ...]:
    """Write annotations.json, picture by picture."""
    path = folder / FILE_NAME
    with spool(folder) as annotations, atomic_file(path) as file:
        writer = _Writer(file, annotations, options)
        file.write(b'{"info":{"description":"ovseg-annotate"},\n"images":[')
        for image in images:
            writer.add(image)
        file.write(b'\n],\n"annotations":[')
        append_spooled(file, annotations)
        categories = [
            {"id": number, "name": name, "supercategory": ""}
            for number, name in enumerate(writer.concepts.names, start=1)
        ]
        provenances = [each.as_plain() for each in writer.provenances.values()]
        ending = f'"categories":{plain_json(categories)},\n"provenance":{plain_json(provenances)}'
        file.write(f"\n],\n{ending}}}\n".encode("ascii"))
    return (path,)


def read(path: Path) -> Iterator[AnnotatedImage]:
    """Read a file, or annotations.json of a folder, picture by picture in the file's order.

    The annotations stay on disk: a first pass notes where those of each picture lie.
    """
    return (image for image, _ in read_with_crowds(path))


def read_with_crowds(path: Path) -> Iterator[tuple[AnnotatedImage, tuple[bool, ...]]]:
    """The same, and of each region whether it is a crowd: several that nobody told apart."""
    path = file_or_in(path, FILE_NAME)
    index = _Index(path)
    try:
        with path.open("rb") as file:
            for number, picture in index.pictures.items():
                fields = [
                    element_at(file, start, length, f"{path}: annotation at byte {start}")
                    for start, length in index.places_of(number)
                ]
                memory = MaskMemory(f"{path}: image {number}")
                regions = [
                    (region, _is_crowd(each))
                    for each in fields
                    if (region := memory.with_room_for(_region(each, picture.size, index)))
                ]
                image = AnnotatedImage(
                    picture.name,
                    picture.size,
                    tuple(region for region, _ in regions),
                    index.vocabulary,
                    index.provenance_of(picture),
                )
                yield image, tuple(is_crowd for _, is_crowd in regions)
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror or error}") from error


class _Writer:
    """Keeps the numbers that go through the whole file."""

    def __init__(self, images: BinaryIO, annotations: BinaryIO, options: CocoOptions) -> None:
        self.concepts = ConceptTable()
        self.provenances: dict[str, Provenance] = {}
        self._images = images
        self._annotations = annotations
        self._options = options
        self._image_count = 0
        self._annotation_count = 0

    def add(self, image: AnnotatedImage) -> None:
        numbers = self.concepts.numbers_of(image)
        entry: dict[str, object] = {
            "id": self._image_count + 1,
            "file_name": image.name,
            "width": image.size.width,
            "height": image.size.height,
        }
        if image.provenance is not None:
            self.provenances.setdefault(image.provenance.digest, image.provenance)
            entry |= {"provenance": image.provenance.digest, "read_as": image.provenance.image}
        _write_line(self._images, entry, first=self._image_count == 0)
        self._image_count += 1
        for region, number in zip(image.regions, numbers, strict=True):
            mask = cropped_mask(region, image.size)
            if mask is None:
                continue
            annotation = {
                "id": self._annotation_count + 1,
                "image_id": self._image_count,
                "category_id": number + 1,
                "segmentation": _segmentation(region, mask, image, self._options),
                "area": mask.area,
                "bbox": [mask.box.left, mask.box.top, mask.box.width, mask.box.height],
                "iscrowd": 0,
            }
            if region.confidence is not None:
                annotation["score"] = region.confidence
            _write_line(self._annotations, annotation, first=self._annotation_count == 0)
            self._annotation_count += 1


def cropped_mask(region: Region, size: Size) -> Mask | None:
    """The pixels of a region in their tight box; None when it has none."""
    mask = mask_of(region, size)
    return cropped(mask.array(), mask.box.top, mask.box.left)


def _segmentation(
    region: Region, mask: Mask, image: AnnotatedImage, options: CocoOptions
) -> object:
    if options.polygons:
        polygons = shown_polygons(region, image)
        if polygons and not any(polygon.holes for polygon in polygons):
            return [numbers_of(polygon.outline, options.decimals) for polygon in polygons]
    counts = coco_rle.counts_in_picture(mask, image.size)
    return {"size": [image.size.height, image.size.width], "counts": coco_rle.packed(counts)}


def _write_line(file: BinaryIO, value: object, *, first: bool) -> None:
    file.write((("\n" if first else ",\n") + plain_json(value)).encode("ascii"))


@dataclass(frozen=True, slots=True)
class _Picture:
    name: str
    size: Size
    provenance: str
    read_as: str


class _Index:
    """What the first pass finds: everything but the annotations, and where those lie."""

    def __init__(self, path: Path) -> None:
        self.pictures: dict[int, _Picture] = {}
        self._where = str(path)
        self._names: dict[int, str] = {}
        self._provenances: dict[str, Provenance] = {}
        places = array("q")  # image, start, length, image, start, ...
        for element in elements(path):
            if element.key == "images":
                self._add_picture(element.field)
            elif element.key == "categories":
                number = element.field.get("id").whole()
                self._names[number] = element.field.get("name").text()
            elif element.key == "provenance":
                self._add_provenance(element)
            elif element.key == "annotations":
                number = element.field.get("image_id").whole()
                places.extend((number, element.start, element.length))
        table = np.frombuffer(places, np.int64).reshape(-1, 3)
        self._places = table[np.argsort(table[:, 0], kind="stable")]
        for number in np.unique(self._places[:, 0]).tolist():
            if number not in self.pictures:
                raise FormatError(f"{path}: an annotation of image {number}, which is not listed")
        self._concepts = self._read_concepts()

    def places_of(self, number: int) -> list[tuple[int, int]]:
        """Start and length of each annotation of an image, in the file's order."""
        first, last = np.searchsorted(self._places[:, 0], (number, number + 1))
        return [(start, length) for _, start, length in self._places[first:last].tolist()]

    @property
    def vocabulary(self) -> Vocabulary:
        return self._concepts.vocabulary

    def concept_of(self, category: Field) -> str:
        number = category.whole()
        if number not in self._names:
            raise category.wrong(f"an id of the categories {sorted(self._names)[:20]}")
        return self._concepts.named(self._names[number], category.where)

    def provenance_of(self, picture: _Picture) -> Provenance | None:
        found = self._provenances.get(picture.provenance)
        return None if found is None else replace(found, image=picture.read_as)

    def _read_concepts(self) -> ReadConcepts:
        if not self._names:
            raise FormatError(
                f"{self._where}: no categories; a COCO file lists the concepts there as "
                '[{"id": 1, "name": "..."}]'
            )
        return ReadConcepts([self._names[number] for number in sorted(self._names)], self._where)

    def _add_picture(self, entry: Field) -> None:
        number = entry.get("id").whole()
        if number in self.pictures:
            raise entry.get("id").wrong("an id that no other image has")
        provenance, read_as = entry.find("provenance"), entry.find("read_as")
        self.pictures[number] = _Picture(
            entry.get("file_name").text(),
            entry.size(),
            "" if provenance is None else provenance.text(),
            "" if read_as is None else read_as.text(),
        )

    def _add_provenance(self, element: Element) -> None:
        found = provenance_of(Field({"provenance": element.field.value}, element.field.where))
        if found is not None:
            self._provenances[found.digest] = found


def _is_crowd(entry: Field) -> bool:
    crowd = entry.find("iscrowd")
    return crowd is not None and bool(crowd.whole(0, 1))


def _region(entry: Field, size: Size, index: _Index) -> Region | None:
    """Read an annotation; None for one that encloses nothing."""
    concept = index.concept_of(entry.get("category_id"))
    score = entry.find("score")
    confidence = None if score is None else score.share()
    segmentation = entry.get("segmentation")
    if isinstance(segmentation.value, dict):
        mask = coco_rle.mask_of_field(segmentation, size)
        return None if mask is None else Region(concept, (), mask, confidence)
    polygons: list[Polygon] = []
    for ring in segmentation.items():
        polygons += polygons_of_ring(ring_of_numbers(ring), size, ring.where)
    if not segmentation.value:
        raise segmentation.wrong("rings or a run-length code; a box alone is no outline")
    return Region(concept, tuple(polygons), None, confidence) if polygons else None
