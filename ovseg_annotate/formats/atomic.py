"""Write a file whole or not at all: readers never see half of one, whatever stops the writer."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ovseg_annotate.errors import FormatError
from ovseg_annotate.whole_files import whole_file


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """`whole_file` for exports: what the operating system refuses becomes a `FormatError`."""
    try:
        with whole_file(path) as file:
            yield file
    except OSError as error:
        raise FormatError(
            f"cannot write {path}: {error.strerror or error}; "
            "check the free space and the permissions of its folder"
        ) from error


def write_atomically(path: Path, content: bytes | str) -> Path:
    """Put `content` at `path` in one step."""
    data = content if isinstance(content, bytes) else as_utf8(content)
    with atomic_file(path) as file:
        file.write(data)
    return path


def as_utf8(text: str) -> bytes:
    """Encode, or say which text cannot be: file names may hold bytes that are no characters."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise FormatError(
            f"{text[max(error.start - 40, 0) : error.end + 20]!r} holds bytes that are not UTF-8 "
            "text; rename the picture or choose a JSON format, which can escape them"
        ) from error


@contextmanager
def spool(folder: Path) -> Iterator[BinaryIO]:
    """Keep the second list of a file on disk while its first list is being written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  closed just below
    except OSError as error:
        raise FormatError(f"cannot write in {folder}: {error.strerror or error}") from error
    with file:
        yield file


def append_spooled(target: BinaryIO, spooled: BinaryIO) -> None:
    """Copy all that was spooled to where `target` stands."""
    spooled.seek(0)
    shutil.copyfileobj(spooled, target)
