"""A folder of nuclei pictures of several kinds, and which of them are for validation.

    images/<kind>_<id>.png   the pictures
    labels/<kind>_<id>.png   instance maps, 0 = not a nucleus
    manifest.csv             with the columns name and kind

Sorted by name, the first and then every fifth picture of each kind is for validation.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from types import MappingProxyType

from ovseg_annotate.datasets.folders import LabelledFolder, open_folder
from ovseg_annotate.errors import FormatError

NUCLEUS = "nucleus"
VALIDATION_EVERY = 5

_MANIFEST = "manifest.csv"


def is_nuclei_folder(path: Path) -> bool:
    manifest = path / _MANIFEST
    if not manifest.is_file():
        return False
    try:
        with manifest.open(encoding="utf-8-sig", newline="") as file:
            columns = next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FormatError(f"cannot read {manifest}: {error}") from error
    return {"name", "kind"} <= set(columns)


def validation_folders(path: Path) -> MappingProxyType[str, LabelledFolder]:
    """The validation pictures of each kind."""
    whole = open_folder(path)
    chosen = set(validation_names(picture.name for picture, _ in whole.files))
    by_kind: dict[str, list[tuple[Path, Path]]] = {}
    for files in whole.files:
        if files[0].name in chosen:
            by_kind.setdefault(kind_of(files[0].name), []).append(files)
    return MappingProxyType(
        {kind: LabelledFolder(path, tuple(files), {}) for kind, files in sorted(by_kind.items())}
    )


def validation_names(names: Iterable[str]) -> tuple[str, ...]:
    chosen: list[str] = []
    seen: dict[str, int] = {}
    for name in sorted(names):
        number = seen.get(kind_of(name), 0)
        seen[kind_of(name)] = number + 1
        if number % VALIDATION_EVERY == 0:
            chosen.append(name)
    return tuple(chosen)


def kind_of(name: str) -> str:
    return name.split("_", 1)[0]
