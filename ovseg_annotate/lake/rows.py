"""Annotated pictures as rows of a lake, and back, with nothing rounded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.errors import FormatError, RunError
from ovseg_annotate.formats.concepts import parsed_vocabulary
from ovseg_annotate.formats.fields import Field
from ovseg_annotate.formats.native import mask_in, plain_mask, provenance_in
from ovseg_annotate.formats.pixel_maps import MaskMemory
from ovseg_annotate.geometry import Polygon, Size
from ovseg_annotate.lake.schema import State, Table, schema_of
from ovseg_annotate.plain_text import readable
from ovseg_annotate.provenance import Provenance
from ovseg_annotate.regions import AnnotatedImage, Region, mask_of
from ovseg_annotate.vocabulary import Vocabulary

if TYPE_CHECKING:
    import pyarrow as pa

Tables: TypeAlias = "Mapping[Table, pa.Table]"

_AT_ONCE = 1024  # rows
_SHARES = ("confidence", "margin")
# The fields of a provenance and their columns.
_MADE_FROM = {
    "model": "model",
    "weights_digest": "weights_digest",
    "vocabulary": "words",
    "options": "options",
    "image": "image",
    "precision": "precision",
    "version": "version",
}


@dataclass(frozen=True, slots=True)
class FileState:
    """Which version of which file a picture was read from."""

    source: str  # path or address
    bytes: int | None  # None: its place does not tell
    stamp: str  # date or e-tag; "" where its place does not tell

    def is_still(self, now: FileState) -> bool:
        """Whether the place shows the same version; where it tells nothing, it is the same."""
        return (self.bytes, self.stamp) == (now.bytes, now.stamp)


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What became of one picture: its regions, or why there are none."""

    name: str
    file: FileState
    sha256: str  # of the file; "" when it could not be read
    image: AnnotatedImage | None
    warnings: tuple[str, ...] = ()
    error: str | None = None


def tables_of(answers: Sequence[Answer]) -> Tables:
    """The rows of these pictures, in this order."""
    import pyarrow as pa  # noqa: PLC0415  only fleets and lakes need it

    regions = [
        (answer.image, number, region)
        for answer in answers
        if answer.image is not None
        for number, region in enumerate(answer.image.regions)
    ]
    rows: dict[Table, list[dict[str, object]]] = {
        Table.PICTURES: [_picture_row(answer) for answer in answers],
        Table.REGIONS: [_region_row(*each) for each in regions],
        Table.MASKS: [_mask_row(*each) for each in regions],
    }
    tables = {
        table: pa.Table.from_pylist(rows[table], schema=schema_of(table))
        for table in (Table.PICTURES, Table.MASKS)
    }
    schema = schema_of(Table.REGIONS)
    outlines = _nested([region.polygons for _, _, region in regions])
    columns = [
        outlines
        if field.name == "polygons"
        else pa.array([row[field.name] for row in rows[Table.REGIONS]], field.type)
        for field in schema
    ]
    tables[Table.REGIONS] = pa.Table.from_arrays(columns, schema=schema)
    return tables


def images_of(tables: Tables) -> Iterator[AnnotatedImage]:
    """The pictures of a part that were not failures, in their order."""
    regions = _Regions(tables)
    for row in _rows(tables[Table.PICTURES]):
        if row["state"] == State.SUGGESTED:
            yield _image(Field(row, f"{row['name']} in the lake"), regions)


def _image(row: Field, regions: _Regions) -> AnnotatedImage:
    name, size = row.get("name").text(), row.size()
    vocabulary = parsed_vocabulary(row.get("vocabulary").text(), row.where)
    memory = MaskMemory(row.where)
    found = (
        memory.with_room_for(regions.take(name, number, size, vocabulary))
        for number in range(row.get("regions").whole())
    )
    return AnnotatedImage(name, size, tuple(filter(None, found)), vocabulary, _provenance(row))


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    """Row by row: as Python's own, all of them would take ten times the room."""
    for batch in table.to_batches(max_chunksize=_AT_ONCE):
        yield from batch.to_pylist()


def _picture_row(answer: Answer) -> dict[str, object]:
    row: dict[str, object] = {
        "name": answer.name,
        "source": readable(answer.file.source),
        "bytes": answer.file.bytes,
        "stamp": answer.file.stamp,
        "sha256": answer.sha256,
        "state": State.FAILED if answer.image is None else State.SUGGESTED,
        "error": answer.error,
        "warnings": list(answer.warnings),
    }
    image = answer.image
    if image is None:
        return row
    row |= {
        "width": image.size.width,
        "height": image.size.height,
        "regions": len(image.regions),
        "vocabulary": str(image.vocabulary),
    }
    if image.provenance is not None:
        row |= {column: getattr(image.provenance, name) for name, column in _MADE_FROM.items()}
    return row


def _provenance(row: Field) -> Provenance | None:
    if row.find("model") is None:
        return None
    plain = {name: row.get(column).value for name, column in _MADE_FROM.items()}
    return provenance_in(Field(plain, row.where))


def _region_row(image: AnnotatedImage, number: int, region: Region) -> dict[str, object]:
    mask = mask_of(region, image.size)
    return {
        "picture": image.name,
        "region": number,
        "concept": region.concept,
        "area": mask.area,
        "left": mask.box.left,
        "top": mask.box.top,
        "width": mask.box.width,
        "height": mask.box.height,
        "confidence": region.confidence,
        "margin": region.margin,
    }


def _mask_row(image: AnnotatedImage, number: int, region: Region) -> dict[str, object]:
    row: dict[str, object] = {"picture": image.name, "region": number}
    if region.mask is not None:
        box = region.mask.box
        row |= {"left": box.left, "top": box.top, "width": box.width, "height": box.height}
        row["counts"] = plain_mask(region.mask)["counts"]
    return row


def _nested(polygons: Sequence[tuple[Polygon, ...]]) -> pa.ListArray:
    """Polygons, rings and numbers as Arrow nests them: one flat list and where to cut it."""
    import pyarrow as pa  # noqa: PLC0415  only fleets and lakes need it

    parts = [polygon for several in polygons for polygon in several]
    rings = [ring for polygon in parts for ring in polygon.rings]
    numbers = np.concatenate([ring.reshape(-1) for ring in rings]) if rings else np.empty(0)
    inner = pa.ListArray.from_arrays(_cuts([ring.size for ring in rings]), pa.array(numbers))
    middle = pa.ListArray.from_arrays(_cuts([len(polygon.rings) for polygon in parts]), inner)
    return pa.ListArray.from_arrays(_cuts([len(several) for several in polygons]), middle)


def _cuts(lengths: Sequence[int]) -> NDArray[np.int32]:
    return np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))).astype(np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class _Nested:
    """A column of polygons as flat numbers: far quicker than a Python list for each of them."""

    polygons: NDArray[np.int32]  # (regions + 1,) places in `rings`
    rings: NDArray[np.int32]  # (polygons + 1,) places in `ends`
    ends: NDArray[np.int32]  # (rings + 1,) places in `numbers`
    numbers: NDArray[np.float64]  # x, y, x, y, ...

    @classmethod
    def of(cls, column: pa.ChunkedArray) -> _Nested:
        outer = column.combine_chunks()
        middle = outer.values
        inner = middle.values
        polygons, rings, ends = (each.offsets.to_numpy() for each in (outer, middle, inner))
        found = cls(polygons, rings, ends, inner.values.to_numpy(zero_copy_only=False))
        if not found.is_sound:
            raise FormatError("its polygons are not outlines of at least 3 finite points [x, y]")
        return found

    @property
    def is_sound(self) -> bool:
        """Whether each polygon has a ring, each ring points, and each point two numbers."""
        sizes = np.diff(self.ends)
        whole = bool((sizes >= 6).all() and (sizes % 2 == 0).all())
        return whole and bool((np.diff(self.rings) >= 1).all() and np.isfinite(self.numbers).all())

    def of_region(self, row: int) -> tuple[Polygon, ...]:
        return tuple(
            self._polygon(number) for number in range(self.polygons[row], self.polygons[row + 1])
        )

    def _polygon(self, number: int) -> Polygon:
        outline, *holes = (
            self.numbers[self.ends[ring] : self.ends[ring + 1]].reshape(-1, 2)
            for ring in range(self.rings[number], self.rings[number + 1])
        )
        return Polygon(outline, tuple(holes))


class _Regions:
    """The regions of a part, given out in the order in which they lie there."""

    def __init__(self, tables: Tables) -> None:
        regions, masks = tables[Table.REGIONS], tables[Table.MASKS]
        if regions.num_rows != masks.num_rows:
            raise RunError(
                f"a part of the lake has {regions.num_rows} regions and {masks.num_rows} masks; "
                "remove its file in pictures/ and give the command that wrote it again"
            )
        self._polygons = _Nested.of(regions["polygons"])
        self._regions = enumerate(_rows(regions.drop_columns("polygons")))
        self._masks = _rows(masks)

    def take(self, picture: str, number: int, size: Size, vocabulary: Vocabulary) -> Region:
        at, row = next(self._regions, (0, {}))
        mask = next(self._masks, {})
        here = (picture, number)
        if any((each.get("picture"), each.get("region")) != here for each in (row, mask)):
            raise RunError(
                f"the lake tells of a region {number} of {picture} and does not hold it; remove "
                "the part's file in pictures/ and give the command that wrote it again"
            )
        if row["concept"] not in vocabulary.names:
            raise FormatError(
                f"{picture}: a region of {row['concept']!r}, which no word stands for"
            )
        polygons, told = self._polygons.of_region(at), Field(row, f"{picture} in the lake")
        if not polygons and mask["counts"] is None:
            raise FormatError(f"{told.where}: region {number} has neither polygons nor a mask")
        return Region(
            row["concept"],
            polygons,
            None if mask["counts"] is None else mask_in(_mask_field(mask), size),
            *(None if each is None else each.share() for each in map(told.find, _SHARES)),
        )


def _mask_field(row: Mapping[str, Any]) -> Field:
    box = [row["top"], row["left"], row["height"], row["width"]]
    where = f"{row['picture']} in the lake: mask of region {row['region']}"
    return Field({"box": box, "counts": row["counts"]}, where)
