"""Plain masks: one index PNG a picture.

Frame: array pixels. The value of a pixel is its label: 0 unlabelled, k concept number k of the
vocabulary, negative ones counted; 8 bits up to 255 concepts, else 16. Regions are the 4-connected
pieces of one value, so touching regions of one concept come back as one. Where regions overlap
the smaller one is seen. labels.csv names the values, pictures.csv the pictures.
"""

from __future__ import annotations

import csv
import io
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
    listed_files,
    picture_table,
)
from ovseg_annotate.formats.index_png import read_index_png, write_index_png
from ovseg_annotate.formats.pixel_maps import connected_masks, masks_of, painted_map
from ovseg_annotate.geometry import Size
from ovseg_annotate.label_map import UNLABELLED
from ovseg_annotate.regions import AnnotatedImage, Region

LABELS = "labels.csv"
FOLDER = "masks"

_COLUMNS = ("value", "concept", "colour")


@dataclass(frozen=True, slots=True)
class MasksOptions:
    """How the numbers look in a picture viewer."""

    palette: bool = True  # 8-bit maps in the vocabulary's colours; False: grey, dark for most


_DEFAULTS = MasksOptions()


def write(
    images: Iterable[AnnotatedImage], folder: Path, options: MasksOptions = _DEFAULTS
) -> tuple[Path, ...]:
    """Write masks/<picture>.png for each picture, labels.csv and pictures.csv."""
    concepts = ConceptTable(negative=True)
    names = FileNames(twins=True)
    with picture_table(folder) as table:
        for image in images:
            file = f"{FOLDER}/{names.stem_of(image.name)}.png"
            values = [number + 1 for number in concepts.numbers_of(image)]
            pixels = painted_map(image.size, masks_of(image), values, UNLABELLED)
            coloured = options.palette and pixels.dtype == np.uint8
            palette = ((0, 0, 0), *concepts.colours[:255]) if coloured else ()
            write_index_png(folder / file, pixels, palette)
            table.add(Picture(image.name, image.size, file))
    return _write_labels(folder / LABELS, concepts), folder / PICTURES, folder / FOLDER


def read(path: Path) -> Iterator[AnnotatedImage]:
    """Read a folder with labels.csv and masks."""
    labels = _read_labels(path / LABELS)
    concepts = ReadConcepts(labels.values(), str(path / LABELS))
    for name, file in listed_files(path, FOLDER, ".png"):
        pixels = read_index_png(file)
        regions = []
        for value, mask in connected_masks(pixels):
            if value == UNLABELLED:
                continue
            if value not in labels:
                raise FormatError(f"{file}: value {value} is not in {path / LABELS}")
            regions.append(Region(concepts.named(labels[value], str(file)), (), mask))
        yield AnnotatedImage(name, Size(*pixels.shape), tuple(regions), concepts.vocabulary, None)


def _write_labels(path: Path, concepts: ConceptTable) -> Path:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(_COLUMNS)
    rows = zip(concepts.names, concepts.colours, strict=True)
    for value, (name, colour) in enumerate(rows, start=1):
        table.writerow((value, name, "#{:02x}{:02x}{:02x}".format(*colour)))
    return write_atomically(path, text.getvalue())


def _read_labels(path: Path) -> dict[int, str]:
    """Names by value."""
    labels: dict[int, str] = {}
    try:
        text = path.read_text(encoding="utf-8-sig")
        for line, row in enumerate(csv.DictReader(io.StringIO(text), strict=True), start=2):
            value = Field(row, f"{path}: line {line}").get("value")
            if not str(value.value).isdecimal():
                raise value.wrong("a whole number")
            labels[int(str(value.value))] = Field(row, f"{path}: line {line}").get("concept").text()
    except (OSError, ValueError, csv.Error) as error:
        raise FormatError(f"cannot read the concepts in {path}: {error}") from error
    return labels
