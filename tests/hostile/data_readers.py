"""Data sets of others: public layouts, labelled folders, pictures with captions."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from hostile.reader import Reader
from PIL import Image
from public_trees import TREES, coco_stuff, label_map, picture, values

from ovseg_annotate.datasets.catalogue import PUBLIC_DATA
from ovseg_annotate.datasets.pairs import read_pairs
from ovseg_annotate.evaluation.folder_sets import folder_trials
from ovseg_annotate.evaluation.held_out import Asking
from ovseg_annotate.geometry import Size
from ovseg_annotate.training.labelled_batches import LabelledPictures, LabelledWindows
from ovseg_annotate.training.nuclei import read_nuclei
from ovseg_annotate.training.pair_files import PairFiles

_ONE_OF_EACH = {kind: protocol for kind, protocol in TREES if protocol != "object81"}
_ASKING = Asking(count=2, seed=0)


def data_readers() -> Iterator[Reader]:
    for kind, protocol in (*_ONE_OF_EACH.items(), ("coco", "object81"), ("ade20k", "a150")):
        yield Reader(f"{kind} {protocol}", TREES[kind, protocol], partial(_public, kind, protocol))
    yield Reader("training windows", partial(coco_stuff, split="train2017"), _windows)
    yield Reader("labelled folder", _write_folder, _trials)
    yield Reader("folder of nuclei", _write_nuclei, lambda root: (_trials(root), read_nuclei(root)))
    yield Reader("pairs csv", _write_table, lambda root: list(read_pairs(root / "pairs.csv")))
    for mode in ("w", "w:gz", "w:xz"):
        yield Reader(f"pairs tar {mode}", partial(_write_archive, mode=mode), _pairs)


def _public(kind: str, protocol: str, root: Path) -> object:
    return [each.instances for each in PUBLIC_DATA[kind].open(root, protocol).pictures()]


def _windows(root: Path) -> object:
    data = LabelledPictures("coco-stuff", str(root), windows=2)
    return LabelledWindows(data, Size(16, 16), seed=0).batch(0)


def _trials(root: Path) -> object:
    return [list(found.draw()) for found in folder_trials(root, _ASKING, None)]


def _write_folder(root: Path) -> None:
    for number in (1, 2):
        picture(root / "images" / f"{number}.png", seed=number)
        label_map(root / "labels" / f"{number}.png", values(0, 1, [2, 255]))
    (root / "labels.csv").write_text("value,concept\n1,car\n2,road\n")


def _write_nuclei(root: Path) -> None:
    for number in range(1, 4):
        picture(root / "images" / f"stained_{number}.png", seed=number)
        label_map(root / "labels" / f"stained_{number}.png", values(0, [1, 2]))
    (root / "manifest.csv").write_text("name,kind\nstained_1.png,stained\n")


def _write_table(root: Path) -> None:
    for number in range(3):
        Image.new("RGB", (6, 4), (number, 0, 0)).save(root / f"{number}.png")
    rows = [f'{number}.png,"a star, number {number}"' for number in range(3)]
    (root / "pairs.csv").write_text("\n".join(["filepath,title", *rows]))


def _write_archive(root: Path, mode: str) -> None:
    file = io.BytesIO()
    Image.new("RGB", (6, 4), (9, 9, 9)).save(file, "PNG")
    contents = {
        "a/1.png": file.getvalue(),
        "a/1.txt": b"a red star",
        "a/2.seg.npy": b"not read",
        "a/2.png": file.getvalue(),
        "a/2.json": json.dumps({"caption": "a circle"}).encode(),
    }
    with tarfile.open(root / "pairs.tar", mode) as tar:  # type: ignore[call-overload]
        for name, content in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def _pairs(root: Path) -> object:
    skipped: list[Exception] = []
    read = [pair.text for pair in read_pairs(root, skipped.append)]
    return read, PairFiles(root).draw(0, 1, np.random.default_rng(0))
