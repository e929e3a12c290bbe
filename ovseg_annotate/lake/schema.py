"""The columns of a lake. Lengths are px, shares 0 to 1; an empty cell means not known.

A change that a reader of today would misread raises `SCHEMA`; a new column does not.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA = 1
MOST_PICTURES = 4096  # of a part


class Table(StrEnum):
    """The folders of a lake; each part has one file in each of them."""

    PICTURES = "pictures"  # written last: with it, the pictures of the part are finished
    REGIONS = "regions"
    MASKS = "masks"


class State(StrEnum):
    """What became of a picture."""

    SUGGESTED = "suggested"
    FAILED = "failed"


@cache
def schema_of(table: Table) -> pa.Schema:
    """Name and type of each column."""
    import pyarrow as pa  # noqa: PLC0415  only fleets and lakes need it

    text, whole = pa.string(), pa.int64()
    columns: dict[Table, list[tuple[str, pa.DataType]]] = {
        Table.PICTURES: [
            ("name", text),  # relative to the folder that was named; unique in the lake
            ("source", text),  # where it was read from
            ("bytes", whole),  # of the file
            ("stamp", text),  # the version of the file as its place tells it: date or e-tag
            ("sha256", text),  # of the file
            ("state", text),  # suggested, failed
            ("error", text),  # why it failed
            ("warnings", pa.list_(text)),
            ("width", whole),
            ("height", whole),
            ("regions", whole),  # how many
            ("vocabulary", text),  # the grammar that Vocabulary.parse reads
            ("model", text),  # this and the rest: provenance
            ("weights_digest", text),
            ("words", text),  # contrast phrases included
            ("options", text),
            ("image", text),  # how it was read
            ("precision", text),
            ("version", text),
        ],
        Table.REGIONS: [
            ("picture", text),
            ("region", whole),  # its number in the picture, from 0
            ("concept", text),
            # Parts, of each the outline and its holes, of each x, y, x, y, ... in pixel edges.
            ("polygons", pa.list_(pa.list_(pa.list_(pa.float64())))),
            ("area", whole),  # pixels
            ("left", whole),
            ("top", whole),
            ("width", whole),
            ("height", whole),
            ("confidence", pa.float64()),
            ("margin", pa.float64()),
        ],
        Table.MASKS: [
            ("picture", text),
            ("region", whole),
            ("left", whole),  # this and the next three: the box that the mask fills
            ("top", whole),
            ("width", whole),
            ("height", whole),
            ("counts", text),  # COCO's compressed run lengths of the box, column after column
        ],
    }
    return pa.schema(columns[table], metadata={"ovseg_lake": str(SCHEMA)})
