"""COCO: things one by one from the JSON file, or things and stuff from COCO-Stuff's label maps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import compress
from pathlib import Path

from ovseg_annotate.datasets.label_values import MAP_SUFFIXES
from ovseg_annotate.datasets.labelled import (
    LabelledFile,
    LabelledSet,
    ProtocolPicture,
    picture_of_size,
    set_of_files,
    with_masks,
)
from ovseg_annotate.datasets.layouts import Layout, files_by_stem, numbered_names, partner
from ovseg_annotate.datasets.protocol import BACKGROUND, Background, Protocol, Resize
from ovseg_annotate.errors import FormatError
from ovseg_annotate.formats.coco import read_with_crowds
from ovseg_annotate.formats.file_names import safe_relative
from ovseg_annotate.formats.json_stream import elements
from ovseg_annotate.regions import labels_of
from ovseg_annotate.vocabulary import Concept

LAYOUT = Layout(
    "COCO 2017",
    """\
    coco/
        annotations/instances_val2017.json
        val2017/000000000139.jpg   (or images/val2017/)""",
)
STUFF_LAYOUT = Layout(
    "COCO-Stuff",
    """\
    coco/
        labels.txt   (of COCO-Stuff: "1: person")
        val2017/000000000139.jpg   (or images/val2017/)
        stuffthingmaps/val2017/000000000139.png   (or annotations/val2017/)""",
)

PROTOCOLS = ("object81", "things80")
STUFF_PROTOCOLS = ("stuff171", "object81")

_JSON = "annotations/instances_val2017.json"
_VOID = 255
_THINGS = 91  # numbers 1 to 91 are things, the rest is stuff
# Things that labels.txt numbers and that no picture has.
_NEVER_USED = frozenset({12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91})


def open_coco(path: Path, protocol: str) -> LabelledSet:
    """The 5000 pictures of the validation split, with their things one by one."""
    annotations = LAYOUT.root(path, _JSON, ("coco",)) / _JSON
    pictures = LAYOUT.first(annotations.parents[1], "val2017", "images/val2017")
    listed = _listed(annotations)
    rules = _of_things(protocol, listed.names, dict(enumerate(listed.names, start=1)), {0})
    return LabelledSet(
        f"{annotations.parents[1].name}, {protocol}",
        rules,
        listed.pictures,
        partial(_pictures, annotations, pictures, rules),
    )


def open_coco_stuff(path: Path, protocol: str) -> LabelledSet:
    """The same pictures with their label maps of 80 things and 91 kinds of stuff."""
    return _stuff(path, protocol, "val2017")


def open_coco_stuff_training(path: Path) -> LabelledSet:
    """The 118 000 pictures of the training split, likewise."""
    return _stuff(path, STUFF_PROTOCOLS[0], "train2017")


def _stuff(path: Path, protocol: str, split: str) -> LabelledSet:
    root = STUFF_LAYOUT.root(path, "labels.txt", ("coco", "coco-stuff"))
    labels = STUFF_LAYOUT.first(root, f"stuffthingmaps/{split}", f"annotations/{split}")
    pictures = STUFF_LAYOUT.first(root, split, f"images/{split}")
    # The maps count from 0.
    names = {
        number - 1: name
        for number, name in numbered_names(root / "labels.txt").items()
        if number > 0 and number not in _NEVER_USED
    }
    maps = files_by_stem(labels, MAP_SUFFIXES)
    files = [
        LabelledFile(picture, partner(maps, stem, labels, picture))
        for stem, picture in files_by_stem(pictures, (".jpg", ".jpeg")).items()
    ]
    return set_of_files(f"{root.name}, {protocol}", _of_maps(protocol, names), files)


@dataclass(frozen=True, slots=True)
class _Listed:
    pictures: int
    names: tuple[str, ...]  # of the categories, by their numbers; each once


def _listed(path: Path) -> _Listed:
    pictures, names = 0, {}
    for element in elements(path):
        if element.key == "images":
            pictures += 1
        elif element.key == "categories":
            name = element.field.get("name").text()
            names[element.field.get("id").whole()] = " ".join(name.split())
    if not (pictures and names):
        raise FormatError(f"{path} lists {pictures} images and {len(names)} categories")
    return _Listed(pictures, tuple(dict.fromkeys(names[number] for number in sorted(names))))


def _pictures(annotations: Path, folder: Path, protocol: Protocol) -> Iterator[ProtocolPicture]:
    for image, crowds in read_with_crowds(annotations):
        where = f"{annotations}: {image.name}"
        path = folder / safe_relative(image.name, str(annotations))
        yield ProtocolPicture(
            image.name,
            picture_of_size(path, image.size, where).pixels,
            protocol.labels_of(labels_of(image), where),
            with_masks(compress(image.regions, (not crowd for crowd in crowds)), image.size),
            with_masks(compress(image.regions, crowds), image.size),
        )


def _of_things(
    name: str, names: tuple[str, ...], meaning: dict[int, str], rest: set[int]
) -> Protocol:
    """Things, and everything else as background or not counted."""
    counts = name == "object81"
    concepts = tuple(map(Concept, names))
    return Protocol(
        name=name,
        split="validation",
        concepts=(*concepts, Concept(BACKGROUND)) if counts else concepts,
        meaning=meaning | dict.fromkeys(rest, BACKGROUND) if counts else meaning,
        background=Background.THRESHOLD if counts else Background.IGNORED,
        ignored=frozenset(() if counts else rest),
        resize=Resize(336),
    )


def _of_maps(name: str, names: dict[int, str]) -> Protocol:
    if name == "object81":
        things = {value: each for value, each in names.items() if value < _THINGS}
        rest = {_VOID, *names} - things.keys()
        return _of_things(name, tuple(things.values()), things, rest)
    return Protocol(
        name=name,
        split="validation",
        concepts=tuple(Concept(each, (_said(each),)) for each in names.values()),
        meaning=names,
        background=Background.IGNORED,
        ignored=frozenset({_VOID}),
        resize=Resize(336),
    )


def _said(name: str) -> str:
    """How a name of stuff is spoken: "wall-brick" as "wall brick", "sky-other" as "sky"."""
    return name.removesuffix("-other").removesuffix("-stuff").replace("-", " ")
