"""Run by the interpreter of the second environment: what the Label Studio SDK says.

    python sdk_oracle.py codec            compare our brush code with the SDK's, byte for byte
    python sdk_oracle.py validate FILE    check projects [{"config": XML, "tasks": [...]}]

Answers in JSON on stdout.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from label_studio_sdk.converter.brush import decode_rle, mask2rle
from label_studio_sdk.label_interface import LabelInterface
from numpy.typing import NDArray

from ovseg_annotate.formats.label_studio_rle import decode, encode
from ovseg_annotate.geometry import Size


def masks() -> Iterator[NDArray[np.uint8]]:
    chance = np.random.default_rng(20)
    for _ in range(60):
        height, width = chance.integers(1, 90, 2)
        yield (chance.random((height, width)) < chance.random()).astype(np.uint8) * 255
    blocks = np.kron(chance.random((20, 20)) < 0.5, np.ones((16, 16), bool))
    yield blocks.astype(np.uint8) * 255
    for size in ((300, 300), (1, 1), (1, 70_000), (128, 128)):
        for value in (0, 255):
            yield np.full(size, value, np.uint8)


def codec() -> dict[str, int]:
    """How many masks were compared, and how many differed in each direction."""
    found = {"masks": 0, "different_bytes": 0, "different_pixels": 0}
    for mask in masks():
        theirs = mask2rle(mask)
        alpha = decode_rle(theirs).reshape(*mask.shape, 4)[:, :, 3]
        found["masks"] += 1
        found["different_bytes"] += list(encode(mask)) != theirs
        found["different_pixels"] += not np.array_equal(
            decode(theirs, Size(*mask.shape)), alpha > 0
        )
    return found


def validate(path: Path) -> list[list[str]]:
    """What the SDK objects to in the predictions of each project."""
    answers = []
    for project in json.loads(path.read_text(encoding="utf-8")):
        interface = LabelInterface(project["config"])
        errors: list[str] = []
        for task in project["tasks"]:
            for prediction in task["predictions"]:
                errors += interface.validate_prediction(prediction, return_errors=True)
        answers.append(errors)
    return answers


if __name__ == "__main__":
    answer = codec() if sys.argv[1] == "codec" else validate(Path(sys.argv[2]))
    sys.stdout.write(json.dumps(answer))
