"""ADE20K: the 150 concepts of the scene parsing challenge, and the full list of 847."""

from __future__ import annotations

from pathlib import Path

from ovseg_annotate.datasets.label_values import MAP_SUFFIXES
from ovseg_annotate.datasets.labelled import LabelledFile, LabelledSet, set_of_files
from ovseg_annotate.datasets.layouts import (
    Layout,
    files_by_stem,
    is_value,
    listed_names,
    partner,
    table_rows,
)
from ovseg_annotate.datasets.protocol import Background, Protocol, Resize, numbered_concepts
from ovseg_annotate.errors import FormatError

LAYOUT_150 = Layout(
    "ADE20K of the scene parsing challenge",
    """\
    ADEChallengeData2016/
        objectInfo150.txt
        images/validation/ADE_val_00000001.jpg
        annotations/validation/ADE_val_00000001.png""",
)
LAYOUT_847 = Layout(
    "full ADE20K, converted to label maps",
    """\
    ADE20K_2021_17_01/
        ade847.json or names.txt   (847 names in the order of the values, phrases between commas)
        images_detectron2/validation/*.jpg, or images/ADE/validation/**/*.jpg
        annotations_detectron2/validation/*.tif   (0 to 846, 65535 does not count)""",
)

PROTOCOLS = ("a150", "a847")

_VOID_16 = 65_535


def open_ade20k(path: Path, protocol: str) -> LabelledSet:
    """The 2000 pictures of the validation split."""
    return _open_847(path) if protocol == "a847" else _open_150(path)


def _open_150(path: Path) -> LabelledSet:
    root = LAYOUT_150.root(path, "annotations/validation", ("ADEChallengeData2016",))
    concepts, meaning = numbered_concepts(_object_info(LAYOUT_150.first(root, "objectInfo150.txt")))
    protocol = Protocol(
        name="a150",
        split="validation",
        concepts=concepts,
        meaning=meaning,
        background=Background.IGNORED,
        ignored=frozenset({0}),
        resize=Resize(336),
    )
    pictures = LAYOUT_150.first(root, "images/validation")
    files = _matched(pictures, root / "annotations/validation")
    return set_of_files(f"{root.name}, a150", protocol, files)


def _open_847(path: Path) -> LabelledSet:
    root = LAYOUT_847.root(path, "annotations_detectron2/validation", ("ADE20K_2021_17_01",))
    names = listed_names(LAYOUT_847.first(root, "ade847.json", "names.txt"))
    concepts, meaning = numbered_concepts(dict(enumerate(names)))
    protocol = Protocol(
        name="a847",
        split="validation",
        concepts=concepts,
        meaning=meaning,
        background=Background.IGNORED,
        ignored=frozenset({_VOID_16}),
        resize=Resize(448),
    )
    pictures = LAYOUT_847.first(
        root, "images_detectron2/validation", "images/ADE/validation", "images/validation"
    )
    files = _matched(pictures, root / "annotations_detectron2/validation")
    return set_of_files(f"{root.name}, a847", protocol, files)


def _matched(pictures: Path, labels: Path) -> list[LabelledFile]:
    maps = files_by_stem(labels, MAP_SUFFIXES)
    found = files_by_stem(pictures, (".jpg", ".jpeg"))
    return [
        LabelledFile(picture, partner(maps, stem, labels, picture))
        for stem, picture in found.items()
    ]


def _object_info(path: Path) -> dict[int, str]:
    names: dict[int, str] = {}
    for line, row in table_rows(path):
        value, name = row.get("Idx", ""), row.get("Name", "")
        if not is_value(value) or int(value) in names or not name:
            raise FormatError(
                f"{path}, line {line}: expected a new number under 'Idx' and a name under 'Name', "
                f"got {value!r} and {name!r}"
            )
        names[int(value)] = name
    if not names:
        raise FormatError(f"{path} names no concept; it starts with 'Idx', tabs and 'Name'")
    return names
