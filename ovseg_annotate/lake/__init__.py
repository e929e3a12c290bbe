"""Lakes: answers for millions of pictures as Parquet, on a disk or in a bucket."""

from ovseg_annotate.lake.lake import Lake, held, is_lake
from ovseg_annotate.lake.reader import LakeReader
from ovseg_annotate.lake.rows import Answer, FileState
from ovseg_annotate.lake.storage import Storage, is_address

__all__ = [
    "Answer",
    "FileState",
    "Lake",
    "LakeReader",
    "Storage",
    "held",
    "is_address",
    "is_lake",
]
