"""Cityscapes, finely labelled."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np

from ovseg_annotate.datasets.label_values import Values, read_values
from ovseg_annotate.datasets.labelled import LabelledFile, LabelledSet, set_of_files
from ovseg_annotate.datasets.layouts import Layout
from ovseg_annotate.datasets.protocol import Background, Protocol, Resize
from ovseg_annotate.errors import FormatError
from ovseg_annotate.vocabulary import Concept

LAYOUT = Layout(
    "Cityscapes",
    """\
    cityscapes/
        leftImg8bit/val/frankfurt/frankfurt_000000_000294_leftImg8bit.png
        gtFine/val/frankfurt/frankfurt_000000_000294_gtFine_labelIds.png
        gtFine/val/frankfurt/frankfurt_000000_000294_gtFine_instanceIds.png   (optional)""",
)

# Of the 34 values of labelIds, those that count. The files name them nowhere.
CITYSCAPES_19: Mapping[int, str] = MappingProxyType(
    {
        7: "road",
        8: "sidewalk",
        11: "building",
        12: "wall",
        13: "fence",
        17: "pole",
        19: "traffic light",
        20: "traffic sign",
        21: "vegetation",
        22: "terrain",
        23: "sky",
        24: "person",
        25: "rider",
        26: "car",
        27: "truck",
        28: "bus",
        31: "train",
        32: "motorcycle",
        33: "bicycle",
    }
)

PROTOCOLS = ("city19",)

_VALUES = 34
_PICTURE = "_leftImg8bit.png"
_FIRST_INSTANCE = 1000  # value * 1000 + number; smaller ones are areas that nobody counted


def open_cityscapes(path: Path, protocol: str) -> LabelledSet:
    """The 500 pictures of the validation split."""
    root = LAYOUT.root(path, "gtFine", ("cityscapes",))
    pictures = LAYOUT.first(root, "leftImg8bit/val")
    LAYOUT.first(root, "gtFine/val")
    files = [
        _file(picture, root / "gtFine/val" / picture.parent.name)
        for picture in sorted(pictures.glob(f"*/*{_PICTURE}"))
    ]
    if not files:
        raise LAYOUT.without(root, f"leftImg8bit/val/*/*{_PICTURE}")
    return set_of_files(
        f"{root.name}, {protocol}",
        Protocol(
            name=protocol,
            split="validation",
            concepts=tuple(map(Concept, CITYSCAPES_19.values())),
            meaning=CITYSCAPES_19,
            background=Background.IGNORED,
            ignored=frozenset(range(_VALUES)) - CITYSCAPES_19.keys(),
            resize=Resize(560),
        ),
        files,
    )


def _file(picture: Path, folder: Path) -> LabelledFile:
    stem = picture.name.removesuffix(_PICTURE)
    labels = folder / f"{stem}_gtFine_labelIds.png"
    if not labels.is_file():
        raise FormatError(f"{picture} has no label map {labels}; unpack gtFine again")
    objects = folder / f"{stem}_gtFine_instanceIds.png"
    return LabelledFile(picture, labels, partial(_objects, objects) if objects.is_file() else None)


def _objects(path: Path) -> Values:
    numbers = read_values(path)
    return np.where(numbers >= _FIRST_INSTANCE, numbers, 0)
