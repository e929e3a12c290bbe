"""Pascal VOC 2012 segmentation."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np

from ovseg_annotate.datasets.label_values import Values, read_values
from ovseg_annotate.datasets.labelled import LabelledFile, LabelledSet, set_of_files
from ovseg_annotate.datasets.layouts import Layout, names_in_list
from ovseg_annotate.datasets.pascal_context import CONTEXT_59, spelled_out
from ovseg_annotate.datasets.protocol import BACKGROUND, Background, Protocol, Resize
from ovseg_annotate.vocabulary import Concept

LAYOUT = Layout(
    "Pascal VOC 2012",
    """\
    VOC2012/  (or the VOCdevkit that holds it)
        JPEGImages/2007_000033.jpg
        SegmentationClass/2007_000033.png
        SegmentationObject/2007_000033.png   (optional: objects one by one)
        ImageSets/Segmentation/val.txt""",
)

# Value k + 1 is the k-th. The files name them nowhere.
VOC_20 = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
    "tvmonitor",
)  # fmt: skip

_VOID = 255
_RULES = MappingProxyType(
    {
        "pas20": Background.IGNORED,
        "pas20b": Background.COMPETING,
        "voc21": Background.THRESHOLD,
    }
)
PROTOCOLS = tuple(_RULES)


def open_voc(path: Path, protocol: str) -> LabelledSet:
    """The 1449 pictures of the validation split."""
    root = LAYOUT.root(path, "SegmentationClass", ("VOC2012", "VOCdevkit/VOC2012"))
    pictures, labels = LAYOUT.first(root, "JPEGImages"), root / "SegmentationClass"
    split = LAYOUT.first(root, "ImageSets/Segmentation/val.txt")
    objects = root / "SegmentationObject"
    files = [
        LabelledFile(
            pictures / f"{name}.jpg",
            labels / f"{name}.png",
            partial(_objects, objects / f"{name}.png") if objects.is_dir() else None,
        )
        for name in names_in_list(split)
    ]
    return set_of_files(f"{root.name}, {protocol}", _protocol(protocol), files)


def _protocol(name: str) -> Protocol:
    rule = _RULES[name]
    counts = rule is not Background.IGNORED
    concepts = tuple(map(spelled_out, VOC_20))
    known = {*VOC_20, "table"}  # Pascal Context's name for a dining table
    others = tuple(Concept(name, negative=True) for name in CONTEXT_59 if name not in known)
    return Protocol(
        name=name,
        split="validation",
        concepts=(*concepts, Concept(BACKGROUND)) if counts else concepts,
        meaning=dict(enumerate((BACKGROUND, *VOC_20)[not counts :], start=int(not counts))),
        background=rule,
        ignored=frozenset({_VOID} if counts else {_VOID, 0}),
        competing=others if rule is Background.COMPETING else (),
        resize=Resize(336),
    )


def _objects(path: Path) -> Values:
    numbers = read_values(path)
    return np.where(numbers == _VOID, 0, numbers)
