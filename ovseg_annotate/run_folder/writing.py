"""Whole files in a run folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ovseg_annotate.refused_writes import explained
from ovseg_annotate.whole_files import whole_file


def write_whole(path: Path, content: bytes) -> None:
    """Put the content at `path` in one step that outlives a power cut."""
    write_in_pieces(path, (content,))


def write_in_pieces(path: Path, pieces: Iterable[bytes]) -> None:
    """The same for what is made piece by piece."""
    with explained(path), whole_file(path, durable=True) as file:
        file.writelines(pieces)
