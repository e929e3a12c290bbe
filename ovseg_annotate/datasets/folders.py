"""Folders of pictures with label maps: `images/` and `labels/`, matched by name, and the words.

    images/ or pictures/          any readable pictures
    labels/, masks/ or
    truth/masks/                  one PNG or TIFF of whole numbers a picture, named as it is
    names.txt                     line k names value k, or
    labels.csv, truth/labels.csv  with the columns value and concept, as the masks format writes

With names, a value is a concept, 0 is unlabelled and an unnamed 255 does not count. Without
names the maps hold instances: every value but 0 is one more example of the only concept.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.datasets.label_values import MAP_SUFFIXES, read_values
from ovseg_annotate.datasets.layouts import is_value
from ovseg_annotate.errors import FormatError, ImageError
from ovseg_annotate.image import SUFFIXES, images_in, read_image

VOID = 255  # of 8-bit maps

_PICTURES = ("images", "pictures")
_MAPS = ("labels", "masks", "truth/masks")
_TABLES = ("labels.csv", "truth/labels.csv")


@dataclass(frozen=True, slots=True, eq=False)
class LabelledPicture:
    """A picture and the number of every pixel."""

    name: str
    pixels: NDArray[np.uint8]  # (height, width, 3)
    values: NDArray[np.int64]  # (height, width), as they are in the file


@dataclass(frozen=True, slots=True)
class LabelledFolder:
    """What a folder holds; the pictures are read one by one."""

    path: Path
    files: tuple[tuple[Path, Path], ...]  # picture, its map
    names: Mapping[int, str]  # concepts by value; empty: the maps hold instances

    def pictures(self) -> Iterator[LabelledPicture]:
        for picture, labels in self.files:
            pixels, values = read_image(picture).pixels, read_values(labels)
            if values.shape != pixels.shape[:2]:
                raise ImageError(
                    f"{labels} is {values.shape[1]} x {values.shape[0]} px and {picture} "
                    f"{pixels.shape[1]} x {pixels.shape[0]}; a map must have its picture's size"
                )
            self._check(values, labels)
            yield LabelledPicture(picture.name, pixels, values)

    def _check(self, values: NDArray[np.int64], path: Path) -> None:
        if not self.names:
            return
        unknown = sorted(set(np.unique(values).tolist()) - {0, VOID, *self.names})
        if unknown:
            raise FormatError(
                f"{path} has value {unknown[0]}, which has no name; there is: "
                f"{', '.join(map(str, sorted(self.names)))}"
            )


def open_folder(path: Path) -> LabelledFolder:
    """Find pictures, maps and names; nothing is read but the names."""
    pictures = _first(path, _PICTURES, "pictures")
    maps = _first(path, _MAPS, "label maps")
    by_stem = {_stem(each): each for each in sorted(maps.iterdir()) if _is_map(each)}
    files = []
    for picture in images_in(pictures):
        if _stem(picture) not in by_stem:
            raise FormatError(
                f"{picture} has no label map; expected {maps / _stem(picture)}.png; "
                "remove the picture or add its map"
            )
        files.append((picture, by_stem[_stem(picture)]))
    if not files:
        raise FormatError(f"{pictures} holds no picture; readable are: {', '.join(SUFFIXES)}")
    return LabelledFolder(path, tuple(files), _names(path))


def _first(path: Path, names: tuple[str, ...], what: str) -> Path:
    for name in names:
        if (path / name).is_dir():
            return path / name
    raise FormatError(f"{path} has no folder of {what}; it must be one of: {', '.join(names)}")


def _is_map(path: Path) -> bool:
    return path.suffix.casefold() in MAP_SUFFIXES


def _stem(path: Path) -> str:
    return path.name.removesuffix(path.suffix)


def _names(path: Path) -> dict[int, str]:
    """Concepts by value; empty when the folder names none."""
    plain = path / "names.txt"
    if plain.is_file():
        lines = _text(plain).splitlines()
        return {value: line.strip() for value, line in enumerate(lines, start=1) if line.strip()}
    for table in _TABLES:
        if (path / table).is_file():
            return _names_in_table(path / table)
    return {}


def _names_in_table(path: Path) -> dict[int, str]:
    names: dict[int, str] = {}
    for line, row in _rows(path):
        value, name = row.get("value") or "", (row.get("concept") or "").strip()
        if not is_value(value) or not name:
            raise FormatError(
                f"{path}, line {line}: expected a whole number under 'value' and a name under "
                f"'concept', got {value!r} and {name!r}"
            )
        names[int(value)] = name
    return names


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        yield from enumerate(csv.DictReader(_text(path).splitlines()), start=2)
    except csv.Error as error:
        raise FormatError(f"cannot read the names in {path}: {error}") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"cannot read the names in {path}: {error}") from error
