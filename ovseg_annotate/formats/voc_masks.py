"""Pascal VOC masks: palette PNGs of concepts and of objects.

Frame: array pixels. In SegmentationClass concept k has value k (in the order of class_names.txt,
whose first line stands for value 0) and 255 means "do not count"; in SegmentationObject each
region has a number of its own, from 1 on. A picture of more than 254 regions has a 16-bit object
map, which not every reader of VOC expects: losing regions would be worse. Where regions overlap
the smaller one is seen. Scores and provenance are not kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ovseg_annotate.errors import FormatError
from ovseg_annotate.formats.concepts import ConceptTable, ReadConcepts, read_names, write_names
from ovseg_annotate.formats.file_names import (
    PICTURES,
    FileNames,
    Picture,
    listed_files,
    picture_table,
)
from ovseg_annotate.formats.index_png import read_index_png, write_index_png
from ovseg_annotate.formats.pixel_maps import (
    Numbers,
    connected_masks,
    masks_by_number,
    masks_of,
    painted_map,
)
from ovseg_annotate.geometry import Size
from ovseg_annotate.regions import AnnotatedImage, Mask, Region
from ovseg_annotate.vocabulary import Colour

CLASS_FOLDER = "SegmentationClass"
OBJECT_FOLDER = "SegmentationObject"
NAMES_FILE = "class_names.txt"
VOID = 255
MAXIMUM_CONCEPTS = 254

_VALUES = 256  # of the map of concepts
_BACKGROUND = "_background_"
_NOT_CONCEPTS = ("__ignore__", _BACKGROUND, "background")


@dataclass(frozen=True, slots=True)
class VocOptions:
    """What unlabelled pixels say to who trains on them."""

    unlabelled: Literal["background", "void"] = "background"  # 0: nothing there; 255: not known


_DEFAULTS = VocOptions()


def write(
    images: Iterable[AnnotatedImage], folder: Path, options: VocOptions = _DEFAULTS
) -> tuple[Path, ...]:
    """Write both maps of each picture, class_names.txt and pictures.csv."""
    concepts = ConceptTable()
    names = FileNames(twins=True)
    palette = voc_colours()
    empty = VOID if options.unlabelled == "void" else 0
    with picture_table(folder) as table:
        for image in images:
            numbers = concepts.numbers_of(image)
            if len(concepts.names) > MAXIMUM_CONCEPTS:
                raise FormatError(
                    f"{len(concepts.names)} concepts; VOC masks of 8 bits hold {MAXIMUM_CONCEPTS}: "
                    "use the format 'masks' (16 bits) or 'coco'"
                )
            masks = masks_of(image)
            file = f"{names.stem_of(image.name)}.png"
            classes = painted_map(image.size, masks, [number + 1 for number in numbers], empty)
            write_index_png(folder / CLASS_FOLDER / file, classes, palette)
            _write_objects(folder / OBJECT_FOLDER / file, image, masks, empty)
            table.add(Picture(image.name, image.size, f"{CLASS_FOLDER}/{file}"))
    listed = write_names(folder / NAMES_FILE, (_BACKGROUND, *concepts.names))
    return listed, folder / PICTURES, folder / CLASS_FOLDER, folder / OBJECT_FOLDER


def read(path: Path) -> Iterator[AnnotatedImage]:
    """Read a folder with class_names.txt; without object maps each connected piece is a region."""
    names = read_names(path / NAMES_FILE)
    names = tuple(name for name in names if name.strip() not in _NOT_CONCEPTS)
    concepts = ReadConcepts(names, str(path / NAMES_FILE))
    for name, file in listed_files(path, CLASS_FOLDER, ".png"):
        classes = read_index_png(file)
        if classes.dtype != np.uint8:
            raise FormatError(f"{file} has 16 bits; VOC maps of concepts have 8")
        objects = _objects(path, file, classes)
        regions = []
        for value, mask in connected_masks(classes) if objects is None else objects:
            if value in (0, VOID):
                continue
            if value > len(names):
                raise FormatError(f"{file}: value {value}; {NAMES_FILE} names {len(names)}")
            regions.append(Region(concepts.named(names[value - 1], str(file)), (), mask))
        yield AnnotatedImage(name, Size(*classes.shape), tuple(regions), concepts.vocabulary, None)


def voc_colours() -> tuple[Colour, ...]:
    """The colour map of the VOC devkit: the bits of a number, spread over three channels."""
    numbers = np.arange(256)
    colours = np.zeros((256, 3), np.int64)
    for level in range(8):
        for channel in range(3):
            colours[:, channel] |= (numbers >> (3 * level + channel) & 1) << (7 - level)
    return tuple((red, green, blue) for red, green, blue in colours.tolist())


def _write_objects(path: Path, image: AnnotatedImage, masks: tuple[Mask, ...], empty: int) -> None:
    numbers = range(1, len(masks) + 1)
    if len(masks) < VOID:
        write_index_png(path, painted_map(image.size, masks, numbers, empty), voc_colours())
        return
    # In 16 bits 255 is an object like any other, so nothing can be void.
    write_index_png(path, painted_map(image.size, masks, numbers, 0).astype(np.uint16))


def _objects(folder: Path, class_file: Path, classes: Numbers) -> Iterator[tuple[int, Mask]] | None:
    """Each object with the value of its pixels in the map of concepts; None without that map."""
    relative = class_file.relative_to(folder)
    if relative.parts[0] != CLASS_FOLDER:
        return None
    file = folder.joinpath(OBJECT_FOLDER, *relative.parts[1:])
    if not file.is_file():
        return None
    objects = read_index_png(file)
    if objects.shape != classes.shape:
        raise FormatError(
            f"{file} has {Size(*objects.shape)}, but {class_file} has {Size(*classes.shape)}"
        )
    return _split_by_object(objects, classes)


def _split_by_object(objects: Numbers, classes: Numbers) -> Iterator[tuple[int, Mask]]:
    void = VOID if objects.dtype == np.uint8 else None
    # One number for each pair keeps an object whole whatever its shape, and two concepts apart.
    pairs = objects.astype(np.int32) * _VALUES + classes
    for pair, mask in masks_by_number(pairs):
        number, value = divmod(pair, _VALUES)
        if number not in (0, void):
            yield value, mask
