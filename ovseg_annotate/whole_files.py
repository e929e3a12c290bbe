"""Files that are there as a whole or not at all, whatever stops the writer."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

TEMPORARY_PREFIX = ".ovseg-part-"  # of what a killed writer leaves behind
STALE = 3600.0  # s after the last write: nobody is still at it


@contextmanager
def whole_file(path: Path, *, durable: bool = False) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path`; it takes that name when the block ends well.

    If the block fails, the temporary file goes and what was at `path` stays. `durable` forces the
    content to the disk first, so that it outlives a power cut too.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # A short name of its own: the final one may already be as long as a file name can be.
    temporary = path.parent / f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}"
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        with suppress(OSError):  # it has its new name, or was never made
            temporary.unlink()


def write_whole(path: Path, *pieces: bytes | memoryview, durable: bool = False) -> None:
    """Put the pieces at `path` in one step."""
    with whole_file(path, durable=durable) as file:
        file.writelines(pieces)


def remove_leftovers(folder: Path, *, age: float = 0.0) -> None:
    """Remove what killed writers left below a folder.

    Its one writer may remove all; where others may be writing, only what is STALE.
    """
    latest = time.time() - age
    for path in list(folder.rglob(f"{TEMPORARY_PREFIX}*")):
        with suppress(OSError):  # it has just got its name
            if age and path.stat().st_mtime > latest:
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
