"""YOLO segmentation: one text file a picture and data.yaml.

Frame: pixel edges divided by width and height, 0 to 1. One row is one part of a region:
`number x1 y1 x2 y2 ...`, numbers from 0 in the order of data.yaml. A hole becomes part of the
ring (`keyhole`). That parts belong together, scores and provenance are not kept.

Loaders that fill rows with cv2.fillPoly paint the pixels on the border as well: regions of a few
dozen pixels read there lose 8 to 9 % of IoU against what was written.

pictures.csv keeps names and sizes. Files of others need their pictures beside `labels`, in
`images`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ovseg_annotate.errors import FormatError
from ovseg_annotate.formats.atomic import write_atomically
from ovseg_annotate.formats.concepts import ConceptTable, ReadConcepts
from ovseg_annotate.formats.fields import Field
from ovseg_annotate.formats.file_names import (
    PICTURES,
    FileNames,
    Picture,
    files_below,
    picture_table,
    read_picture_table,
)
from ovseg_annotate.formats.keyhole import keyhole_ring
from ovseg_annotate.formats.outlines import numbers_of, polygons_of_ring, shown_polygons
from ovseg_annotate.geometry import Size
from ovseg_annotate.image import size_of_file
from ovseg_annotate.plain_data import yaml_value
from ovseg_annotate.regions import AnnotatedImage, Region

DATA_FILE = "data.yaml"
LABELS = "labels"
PICTURES_FOLDER = "images"


@dataclass(frozen=True, slots=True)
class YoloOptions:
    """How numbers are written."""

    decimals: int = 6  # a hundredth of a pixel on a side of 10 000


_DEFAULTS = YoloOptions()


def write(
    images: Iterable[AnnotatedImage], folder: Path, options: YoloOptions = _DEFAULTS
) -> tuple[Path, ...]:
    """Write labels/<picture>.txt for each picture, data.yaml and pictures.csv."""
    concepts = ConceptTable()
    # Loaders find a label file by the picture's stem, so a.jpg and a.png cannot both be there.
    names = FileNames(twins=False)
    with picture_table(folder) as table:
        for image in images:
            file = f"{LABELS}/{names.stem_of(image.name)}.txt"
            write_atomically(folder / file, _rows(image, concepts.numbers_of(image), options))
            table.add(Picture(image.name, image.size, file))
    data = write_atomically(folder / DATA_FILE, _data_yaml(concepts.names))
    return data, folder / PICTURES, folder / LABELS


def read(path: Path) -> Iterator[AnnotatedImage]:
    """Read a folder with data.yaml and labels."""
    concepts = _read_concepts(path / DATA_FILE)
    for picture in _pictures(path):
        yield AnnotatedImage(
            picture.name,
            picture.size,
            tuple(_regions(path / picture.file, picture.size, concepts)),
            concepts.vocabulary,
            None,
        )


def _rows(image: AnnotatedImage, numbers: tuple[int, ...], options: YoloOptions) -> str:
    size = np.array([image.size.width, image.size.height])
    rows = []
    for region, number in zip(image.regions, numbers, strict=True):
        for polygon in shown_polygons(region, image):
            ring = np.clip(keyhole_ring(polygon) / size, 0.0, 1.0)
            row = (str(number), *map(str, numbers_of(ring, options.decimals)))
            rows.append(" ".join(row) + "\n")
    return "".join(rows)


def _data_yaml(names: tuple[str, ...]) -> str:
    # A JSON text is a YAML text in double quotes.
    lines = [
        f"  {number}: {json.dumps(name, ensure_ascii=False)}\n" for number, name in enumerate(names)
    ]
    start = f"path: .\ntrain: {PICTURES_FOLDER}\nval: {PICTURES_FOLDER}\nnames:\n"
    return start + "".join(lines)


def _read_concepts(path: Path) -> ReadConcepts:
    """Names by number, as a table or as a list."""
    try:
        plain = Field(yaml_value(path.read_text(encoding="utf-8-sig")), str(path))
    except (OSError, ValueError) as error:
        raise FormatError(f"cannot read {path}: {error}") from error
    names = plain.get("names")
    if not isinstance(names.value, dict):
        return ReadConcepts([item.text() for item in names.items()], str(path))
    if list(names.value) != list(range(len(names.value))):
        raise names.wrong("names numbered 0, 1, 2, ...")
    return ReadConcepts(
        [Field(name, names.where).text() for name in names.value.values()], str(path)
    )


def _pictures(folder: Path) -> Iterator[Picture]:
    if (folder / PICTURES).is_file():
        yield from read_picture_table(folder / PICTURES)
        return
    pictures = folder / PICTURES_FOLDER
    by_stem = {
        path.relative_to(pictures).with_suffix(""): path for path in files_below(pictures, "")
    }
    for file in files_below(folder / LABELS, ".txt"):
        stem = file.relative_to(folder / LABELS).with_suffix("")
        if stem not in by_stem:
            raise FormatError(
                f"{file}: no picture {stem}.* in {pictures}, and without it no size to multiply by"
            )
        picture = by_stem[stem]
        name = picture.relative_to(pictures).as_posix()
        yield Picture(name, size_of_file(picture), file.relative_to(folder).as_posix())


def _regions(path: Path, size: Size, concepts: ReadConcepts) -> Iterator[Region]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"cannot read {path}: {error}") from error
    names = concepts.vocabulary.names
    for count, line in enumerate(lines, start=1):
        words = line.split()
        if not words:
            continue
        where = f"{path}: line {count}"
        try:
            number = int(words[0])
            ring = np.array([float(word) for word in words[1:]])
        except ValueError as error:
            raise FormatError(f"{where}: expected numbers: {error}") from error
        if not 0 <= number < len(names):
            raise FormatError(f"{where}: concept {number}; {DATA_FILE} has 0 to {len(names) - 1}")
        if len(ring) < 6 or len(ring) % 2 or not (np.abs(ring) <= 1e3).all():
            raise FormatError(
                f"{where}: expected at least 3 points x y from 0 to 1, got {len(ring)} numbers; "
                "rows of 4 are boxes, which are no outlines"
            )
        points = ring.reshape(-1, 2) * np.array([size.width, size.height])
        polygons = polygons_of_ring(points, size, where)
        if polygons:
            yield Region(names[number], polygons, None)
