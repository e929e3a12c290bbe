"""Tables as Parquet and back; what comes back has the columns of the schema, and an end."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ovseg_annotate.errors import FormatError
from ovseg_annotate.lake.schema import Table, schema_of

if TYPE_CHECKING:
    import pyarrow as pa

# A thousand regions in each of as many pictures as a part can have; more were made to do harm.
_MOST_ROWS = 2**22
_MOST_BYTES = 2**31  # unpacked


def parquet_bytes(table: pa.Table) -> bytes:
    """The same rows give the same bytes, wherever and whenever they are written."""
    import pyarrow.parquet as pq  # noqa: PLC0415  only fleets and lakes need it

    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def read_parquet(data: bytes, table: Table, columns: Sequence[str] | None = None) -> pa.Table:
    """Read some columns, or all that we know; others may have been added by a later version."""
    import pyarrow as pa  # noqa: PLC0415  only fleets and lakes need it
    import pyarrow.parquet as pq  # noqa: PLC0415

    known = schema_of(table)
    wanted = pa.schema([known.field(name) for name in columns or known.names])
    try:
        with pq.ParquetFile(io.BytesIO(data)) as file:
            _check_cost(file.metadata)
            missing = set(wanted.names) - set(file.schema_arrow.names)
            if missing:
                raise FormatError(f"it has no column {min(missing)!r}")
            rows = file.read(columns=wanted.names).select(wanted.names)
    # What pyarrow says of damaged bytes; a name that is no UTF-8 is a ValueError.
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        raise FormatError(f"it is damaged or cut off ({error})") from error
    if not rows.schema.equals(wanted):
        raise FormatError("its columns are not of the types that ours have")
    return rows


def _check_cost(told: pa.parquet.FileMetaData) -> None:
    groups = (told.row_group(number) for number in range(told.num_row_groups))
    unpacked = sum(max(0, group.total_byte_size) for group in groups)
    if told.num_rows > _MOST_ROWS or unpacked > _MOST_BYTES:
        raise FormatError(
            f"it has {told.num_rows:,} rows and {unpacked:,} bytes unpacked; at most "
            f"{_MOST_ROWS:,} and {_MOST_BYTES:,} are read"
        )
