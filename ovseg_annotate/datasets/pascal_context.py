"""Pascal Context: VOC 2010 pictures with every pixel named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from ovseg_annotate.datasets.label_values import MAP_SUFFIXES
from ovseg_annotate.datasets.labelled import LabelledFile, LabelledSet, set_of_files
from ovseg_annotate.datasets.layouts import Layout, files_by_stem, names_in_list, numbered_names
from ovseg_annotate.datasets.protocol import (
    BACKGROUND,
    Background,
    Protocol,
    Resize,
    numbered_concepts,
)
from ovseg_annotate.errors import FormatError
from ovseg_annotate.vocabulary import Concept

LAYOUT = Layout(
    "Pascal Context",
    """\
    VOC2010/  (or the VOCdevkit that holds it)
        JPEGImages/2008_000008.jpg
        a list of the validation pictures, one of
            ImageSets/SegmentationContext/val.txt
            pascalcontext_val.txt
            ImageSets/Main/val.txt
        the originals, for 59, 60 and 459 concepts:
            trainval/2008_000008.mat and labels.txt
        or, for 59 and 60, as they are commonly converted, one of
            SegmentationClassContext/2008_000008.png   (0 is background, 1 to 59)
            annotations_detectron2/pc59_val/2008_000008.png   (0 to 58, 255 is background)
        or, for 459,
            annotations_detectron2/pc459_val/2008_000008.tif (0 to 458) and labels.txt""",
)

# In the order of the converted maps. The originals name them in labels.txt.
CONTEXT_59 = (
    "aeroplane", "bag", "bed", "bedclothes", "bench", "bicycle", "bird", "boat", "book", "bottle",
    "building", "bus", "cabinet", "car", "cat", "ceiling", "chair", "cloth", "computer", "cow",
    "cup", "curtain", "dog", "door", "fence", "floor", "flower", "food", "grass", "ground",
    "horse", "keyboard", "light", "motorbike", "mountain", "mouse", "person", "plate", "platform",
    "pottedplant", "road", "rock", "sheep", "shelves", "sidewalk", "sign", "sky", "snow", "sofa",
    "table", "track", "train", "tree", "truck", "tvmonitor", "wall", "water", "window", "wood",
)  # fmt: skip

# Names that are no English words; asked for by what they mean.
_SPELLED_OUT: Mapping[str, str] = MappingProxyType(
    {"diningtable": "dining table", "pottedplant": "potted plant", "tvmonitor": "tv monitor"}
)

PROTOCOLS = ("c59", "c60", "c459")

_LISTS = (
    "ImageSets/SegmentationContext/val.txt",
    "pascalcontext_val.txt",
    "ImageSets/Main/val.txt",
)
_VOID = 255
_VOID_16 = 65_535


def open_pascal_context(path: Path, protocol: str) -> LabelledSet:
    """The pictures of the validation split that have a label map."""
    root = LAYOUT.root(path, "JPEGImages", ("VOC2010", "VOCdevkit/VOC2010"))
    maps, rules = _c459(root) if protocol == "c459" else _c59(root, protocol)
    return set_of_files(f"{root.name}, {protocol}", rules, tuple(_files(root, maps)))


def spelled_out(name: str) -> Concept:
    """A concept of a Pascal name, asked for in English."""
    return Concept(name, (_SPELLED_OUT.get(name, name),))


def _files(root: Path, maps: Path) -> Iterator[LabelledFile]:
    found = files_by_stem(maps, (*MAP_SUFFIXES, ".mat"))
    split = LAYOUT.first(root, *_LISTS)
    # The lists of VOC 2010 also name pictures that nobody labelled for Pascal Context.
    names = [name for name in names_in_list(split) if name in found]
    if not names:
        raise FormatError(f"none of the pictures that {split} lists has a label map in {maps}")
    for name in names:
        yield LabelledFile(root / "JPEGImages" / f"{name}.jpg", found[name])


def _c59(root: Path, name: str) -> tuple[Path, Protocol]:
    asked = name == "c60"
    maps = LAYOUT.first(
        root, "SegmentationClassContext", "annotations_detectron2/pc59_val", "trainval"
    )
    if maps.name == "trainval":
        names = _original_names(root)
        named = {value: each for value, each in names.items() if each in CONTEXT_59}
        missing = sorted(set(CONTEXT_59) - set(named.values()))
        if missing:
            raise FormatError(f"{root / 'labels.txt'} does not name {missing[0]!r}")
        background = {0, *names} - set(named)
    else:
        converted = maps.name == "pc59_val"
        named = dict(enumerate(CONTEXT_59, start=0 if converted else 1))
        background = {_VOID} if converted else {0}
    # 255 of the other maps is void.
    void = {_VOID} - background - set(named)
    concepts = tuple(map(spelled_out, CONTEXT_59))
    return maps, Protocol(
        name=name,
        split="validation",
        concepts=(*concepts, Concept(BACKGROUND)) if asked else concepts,
        meaning=named | dict.fromkeys(background, BACKGROUND) if asked else named,
        background=Background.ASKED if asked else Background.IGNORED,
        ignored=frozenset(void if asked else void | background),
        resize=Resize(336),
    )


def _c459(root: Path) -> tuple[Path, Protocol]:
    maps = LAYOUT.first(root, "trainval", "annotations_detectron2/pc459_val")
    first = 0 if maps.name == "trainval" else 1  # the converted maps count from 0
    names = {value - first: name for value, name in _original_names(root).items() if value > 0}
    concepts, meaning = numbered_concepts(names)
    return maps, Protocol(
        name="c459",
        split="validation",
        concepts=concepts,
        meaning=meaning,
        background=Background.IGNORED,
        ignored=frozenset({_VOID_16} if first else {0, _VOID_16}),
        resize=Resize(448),
    )


def _original_names(root: Path) -> dict[int, str]:
    return numbered_names(LAYOUT.first(root, "labels.txt"))
