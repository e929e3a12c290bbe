"""Tiny trees in the layouts of public data sets, written by the tests that read them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from scipy.io import savemat

from ovseg_annotate.datasets.catalogue import PUBLIC_DATA
from ovseg_annotate.datasets.labelled import LabelledSet, ProtocolPicture
from ovseg_annotate.datasets.pascal_context import CONTEXT_59
from ovseg_annotate.datasets.scenes import SceneRules, draw_scene
from ovseg_annotate.geometry import Size

SIZE = Size(height=32, width=40)


def picture(path: Path, size: Size = SIZE, seed: int = 0) -> Path:
    """A generated scene."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(draw_scene(SceneRules(size=size), seed).pixels).save(path)
    return path


def values(*rows: ArrayLike, size: Size = SIZE) -> NDArray[np.int64]:
    """Level stripes of equal height; a row of several values is cut into equal columns."""
    labels = np.zeros((size.height, size.width), np.int64)
    for stripe, row in zip(np.array_split(labels, len(rows)), rows, strict=True):
        for column, value in zip(
            np.array_split(stripe, len(np.atleast_1d(row)), axis=1), np.atleast_1d(row), strict=True
        ):
            column[:] = value
    return labels


def label_map(path: Path, labels: NDArray[np.int64]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".mat":
        savemat(path, {"LabelMap": labels.astype(np.uint16)})
    else:
        narrow = path.suffix == ".png" and labels.max() <= 255
        Image.fromarray(labels.astype(np.uint8 if narrow else np.uint16)).save(path)
    return path


def text(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def voc(root: Path) -> Path:
    """Two pictures: a cat and a dog on background, with a void border between them."""
    for number, name in enumerate(("2007_000033", "2008_000002")):
        picture(root / "JPEGImages" / f"{name}.jpg", seed=number)
        label_map(root / "SegmentationClass" / f"{name}.png", values([8, 255, 12], 0))
        label_map(root / "SegmentationObject" / f"{name}.png", values([1, 255, 2], 0))
    text(root / "ImageSets/Segmentation/val.txt", "2007_000033", "2008_000002")
    return root


def pascal_context(root: Path) -> Path:
    """The originals of one picture, and a list that names one more."""
    picture(root / "JPEGImages" / "2008_000008.jpg")
    names = ["accordion", *CONTEXT_59, "yoke"]
    text(root / "labels.txt", *(f"{value}: {name}" for value, name in enumerate(names, start=1)))
    # wall, accordion, and a sky with something unnamed in it
    label_map(
        root / "trainval" / "2008_000008.mat",
        values(names.index("wall") + 1, 1, [names.index("sky") + 1, 0]),
    )
    text(root / "ImageSets/Main/val.txt", "2008_000008  1", "2008_000009 -1")
    return root


def ade150(root: Path) -> Path:
    """Two pictures of a wall, a building and something unnamed."""
    for number in (1, 2):
        picture(root / "images/validation" / f"ADE_val_0000000{number}.jpg", seed=number)
        label_map(root / "annotations/validation" / f"ADE_val_0000000{number}.png", values(1, 2, 0))
    text(
        root / "objectInfo150.txt",
        "Idx\tRatio\tTrain\tVal\tStuff\tName",
        "1\t0.1576\t11664\t1172\t1\twall",
        "2\t0.1072\t6046\t612\t1\tbuilding, edifice",
        "3 \t0.0878\t8265\t796\t1\tscreen door, screen",
    )
    return root


def ade847(root: Path) -> Path:
    picture(root / "images/ADE/validation/urban/street" / "ADE_val_1.jpg")
    label_map(root / "annotations_detectron2/validation" / "ADE_val_1.tif", values(0, 2, 65535))
    (root / "ade847.json").write_text(json.dumps(["wall", "fan", "fan", "step, stair"]))
    return root


def coco(root: Path) -> Path:
    """A person before a dog, and a crowd of persons; the second picture is empty."""
    for number in (1, 2):
        picture(root / "val2017" / f"00000000000{number}.jpg", seed=number)
    crowd = np.zeros((SIZE.height, SIZE.width), bool)
    crowd[28:, :] = True
    runs = np.diff(np.flatnonzero(np.diff(np.r_[False, crowd.T.ravel(), False])), prepend=0)
    counts = [*runs.tolist(), SIZE.area - int(runs.sum())]
    document = {
        "images": [
            {
                "id": number,
                "file_name": f"00000000000{number}.jpg",
                "width": SIZE.width,
                "height": SIZE.height,
            }
            for number in (1, 2)
        ],
        "categories": [{"id": 1, "name": "person"}, {"id": 18, "name": "dog"}],
        "annotations": [
            _outline(1, [0, 0, 10, 0, 10, 10, 0, 10], category=1),
            _outline(2, [0, 0, 20, 0, 20, 20, 0, 20], category=18),
            {
                "id": 3,
                "image_id": 1,
                "category_id": 1,
                "iscrowd": 1,
                "area": int(crowd.sum()),
                "bbox": [0, 28, SIZE.width, 4],
                "segmentation": {"size": [SIZE.height, SIZE.width], "counts": counts},
            },
        ],
    }
    path = root / "annotations/instances_val2017.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(document))
    return root


def _outline(number: int, points: list[int], *, category: int) -> dict[str, object]:
    return {
        "id": number,
        "image_id": 1,
        "category_id": category,
        "iscrowd": 0,
        "area": 1,
        "bbox": [0, 0, 1, 1],
        "segmentation": [points],
    }


def coco_stuff(root: Path, split: str = "val2017") -> Path:
    """A person (1), a brick wall (171), sky (157) and void."""
    for number in (1, 2):
        picture(root / split / f"00000000000{number}.jpg", seed=number)
        labels = values(0, 170, [156, 255])
        label_map(root / "stuffthingmaps" / split / f"00000000000{number}.png", labels)
    names = {1: "person", 12: "street sign", 157: "sky-other", 171: "wall-brick"}
    text(root / "labels.txt", "0: unlabeled", *(f"{key}: {name}" for key, name in names.items()))
    return root


def cityscapes(root: Path) -> Path:
    """Road, a car, a row of bicycles that nobody counted, and the car that took the picture."""
    stem = "frankfurt_000000_000294"
    picture(root / "leftImg8bit/val/frankfurt" / f"{stem}_leftImg8bit.png")
    folder = root / "gtFine/val/frankfurt"
    label_map(folder / f"{stem}_gtFine_labelIds.png", values(7, [26, 33], 1))
    label_map(folder / f"{stem}_gtFine_instanceIds.png", values(7, [26001, 33], 1))
    return root


Tree = Callable[[Path], Path]

TREES: dict[tuple[str, str], Tree] = {
    ("voc", "pas20"): voc,
    ("voc", "pas20b"): voc,
    ("voc", "voc21"): voc,
    ("pascal-context", "c59"): pascal_context,
    ("pascal-context", "c60"): pascal_context,
    ("pascal-context", "c459"): pascal_context,
    ("ade20k", "a150"): ade150,
    ("ade20k", "a847"): ade847,
    ("coco", "object81"): coco,
    ("coco", "things80"): coco,
    ("coco-stuff", "stuff171"): coco_stuff,
    ("coco-stuff", "object81"): coco_stuff,
    ("cityscapes", "city19"): cityscapes,
}


def opened(kind: str, protocol: str, root: Path) -> LabelledSet:
    return PUBLIC_DATA[kind].open(TREES[kind, protocol](root), protocol)


def first(labelled: LabelledSet) -> ProtocolPicture:
    return next(labelled.pictures())


def named(labelled: LabelledSet, picture: ProtocolPicture) -> list[str]:
    """The name of each pixel's label, flat."""
    names = ["nothing", *(each.name for each in labelled.protocol.concepts), ""]
    return [names[label] for label in picture.labels.ravel().tolist()]
