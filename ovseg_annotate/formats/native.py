"""Our own record of one picture: everything we know, nothing rounded.

Frame: pixel edges. Polygons are lists of rings, the outline first, of [x, y]; a mask is COCO's
compressed run-length code of its box [top, left, height, width], column after column.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ovseg_annotate.errors import FormatError
from ovseg_annotate.formats import coco_rle
from ovseg_annotate.formats.atomic import write_atomically
from ovseg_annotate.formats.concepts import parsed_vocabulary
from ovseg_annotate.formats.fields import MAXIMUM_PIXELS, Field, parse_json, plain_json, read_json
from ovseg_annotate.formats.flat_runs import alternating_counts, check_counts, expanded
from ovseg_annotate.formats.outlines import ring_of_pairs
from ovseg_annotate.formats.pixel_maps import MaskMemory
from ovseg_annotate.geometry import Polygon, Size, Window
from ovseg_annotate.provenance import Provenance
from ovseg_annotate.regions import AnnotatedImage, Mask, Region
from ovseg_annotate.vocabulary import Vocabulary

SCHEMA = 1


class Kind(StrEnum):
    """Who is behind a record."""

    SUGGESTION = "suggestion"  # the machine
    CORRECTION = "correction"  # a person
    ACCEPTED = "accepted"  # a person, who is done with the picture


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """An annotated picture and who is behind it."""

    image: AnnotatedImage
    kind: Kind


def write_record(path: Path, record: Record) -> Path:
    """Write one record in one step."""
    return write_atomically(path, to_bytes(record.image, record.kind))


def read_record(path: Path) -> Record:
    """Read one record; what others put beside our fields is passed over."""
    return _record(read_json(path))


def from_bytes(data: bytes, where: str) -> Record:
    """Read the JSON of a record; `where` names it in errors."""
    return _record(parse_json(data, where))


def to_bytes(image: AnnotatedImage, kind: Kind) -> bytes:
    """The record as one line of JSON in ASCII."""
    known = {concept.name for concept in image.vocabulary}
    for region in image.regions:
        if region.concept not in known:
            raise FormatError(
                f"{image.name}: a region of {region.concept!r}, which its vocabulary does not know"
            )
    plain = {
        "schema": SCHEMA,
        "kind": kind.value,
        "name": image.name,
        "width": image.size.width,
        "height": image.size.height,
        "vocabulary": str(image.vocabulary),
        "provenance": None if image.provenance is None else image.provenance.as_plain(),
        "regions": [_plain_region(region) for region in image.regions],
    }
    return (plain_json(plain) + "\n").encode("ascii")


def _record(field: Field) -> Record:
    schema = field.get("schema")
    if schema.whole() > SCHEMA:
        raise FormatError(
            f"{schema.where}: written as schema {schema.value} by a newer version; "
            f"this one reads up to {SCHEMA}: update ovseg-annotate"
        )
    vocabulary_field = field.get("vocabulary")
    vocabulary = parsed_vocabulary(vocabulary_field.text(), vocabulary_field.where)
    size = field.size()
    memory = MaskMemory(field.where)
    found = (_region(item, size, vocabulary) for item in field.get("regions").items())
    regions = tuple(region for each in found if (region := memory.with_room_for(each)))
    image = AnnotatedImage(
        field.get("name").text(), size, regions, vocabulary, provenance_of(field)
    )
    return Record(image, _kind(field.get("kind")))


def provenance_of(field: Field) -> Provenance | None:
    """The member "provenance" of an object, where there is one."""
    provenance = field.find("provenance")
    return None if provenance is None else provenance_in(provenance)


def provenance_in(field: Field) -> Provenance:
    try:
        return Provenance.from_plain(field.value)
    except FormatError as error:
        raise FormatError(f"{field.where}: {error}") from error


def _kind(field: Field) -> Kind:
    try:
        return Kind(field.text())
    except ValueError as error:
        raise field.wrong(f"one of {', '.join(Kind)}") from error


def _plain_region(region: Region) -> dict[str, object]:
    return {
        "concept": region.concept,
        "polygons": [[ring.tolist() for ring in polygon.rings] for polygon in region.polygons],
        "mask": None if region.mask is None else plain_mask(region.mask),
        "confidence": region.confidence,
        "margin": region.margin,
    }


def plain_mask(mask: Mask) -> dict[str, object]:
    """A mask as a record has it."""
    box = mask.box
    counts = alternating_counts(mask.array().T.reshape(-1))
    return {
        "box": [box.top, box.left, box.height, box.width],
        "counts": coco_rle.packed(counts),
    }


def _region(field: Field, size: Size, vocabulary: Vocabulary) -> Region:
    concept = field.get("concept")
    if concept.text() not in vocabulary.names:
        raise concept.wrong("a concept of the record's vocabulary")
    mask, confidence, margin = (field.find(name) for name in ("mask", "confidence", "margin"))
    polygons = tuple(_polygon(item) for item in field.get("polygons").items())
    if mask is None and not polygons:
        raise FormatError(f"{field.where}: a region needs polygons or a mask")
    return Region(
        concept.text(),
        polygons,
        None if mask is None else mask_in(mask, size),
        None if confidence is None else confidence.share(),
        None if margin is None else margin.share(),
    )


def _polygon(field: Field) -> Polygon:
    rings = [ring_of_pairs(ring) for ring in field.items()]
    if not rings or any(len(ring) < 3 for ring in rings):
        raise field.wrong("an outline and holes of at least 3 points each")
    return Polygon(rings[0], tuple(rings[1:]))


def mask_in(field: Field, size: Size) -> Mask:
    """Read what `plain_mask` gave, within a picture of this size."""
    numbers = [item.whole(0, MAXIMUM_PIXELS) for item in field.get("box").items()]
    if len(numbers) != 4:
        raise field.get("box").wrong("[top, left, height, width]")
    box = Window(*numbers)
    if box.bottom > size.height or box.right > size.width:
        raise field.get("box").wrong(f"a box within {size}")
    counts = coco_rle.unpacked(field.get("counts").text(), field.where)
    check_counts(counts, box.size.area, f"{field.where}.counts")
    columns = expanded(counts).reshape(box.width, box.height)
    return Mask.of(columns.T, box.top, box.left)
