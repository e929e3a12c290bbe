"""Our Label Studio brush code against `mask2rle` of the Label Studio SDK, 2048 x 2048 px.

Run it with the interpreter of the second environment (tests/label_studio_environment.txt) and the
repository root in PYTHONPATH; `make bench` does. Both sides give a list of numbers, as JSON needs
it. Runs of both take turns and are counted in processor time, so that what else the machine does
falls on neither. Prints one JSON object a line:
{name, value, target, unit, reached}. Seed 0.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
from label_studio_sdk.converter.brush import mask2rle
from numpy.typing import NDArray

from ovseg_annotate.formats.label_studio_rle import decode, encode
from ovseg_annotate.geometry import Size

SIDE = 2048
ENOUGH = 2.0  # s that the SDK runs on each mask, but 3 runs at least
TARGET_MEAN = 6.0
TARGET_WORST = 3.0


def masks() -> dict[str, NDArray[np.bool_]]:
    chance = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE]
    distance = np.hypot(y - SIDE / 2, x - SIDE / 2)
    blocks = chance.random((SIDE // 16, SIDE // 16)) < 0.5
    return {
        "ring": (distance < 900) & (distance > 500),
        "16 px random blocks": np.kron(blocks, np.ones((16, 16), bool)),
        "2 % speckle": chance.random((SIDE, SIDE)) < 0.02,
        "40 % noise": chance.random((SIDE, SIDE)) < 0.4,
        "empty": np.zeros((SIDE, SIDE), bool),
        "full": np.ones((SIDE, SIDE), bool),
        "one small blob": distance < 40,
    }


def seconds(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def measure(mask: NDArray[np.bool_]) -> tuple[float, float]:
    """Median seconds of the SDK and of ours, after checking that both write the same."""
    pixels = mask.astype(np.uint8) * 255  # all that the SDK takes
    code = mask2rle(pixels)
    assert list(encode(pixels)) == code, "the codes differ"
    assert np.array_equal(decode(code, Size(SIDE, SIDE)), mask), "decoding differs"
    theirs: list[float] = []
    ours: list[float] = []
    while len(theirs) < 3 or sum(theirs) < ENOUGH:
        theirs.append(seconds(lambda: mask2rle(pixels)))
        ours.append(seconds(lambda: list(encode(pixels))))
    return statistics.median(theirs), statistics.median(ours)


def report(name: str, value: float, target: float | None, unit: str) -> None:
    reached = None if target is None else value >= target
    line = {"name": name, "value": value, "target": target, "unit": unit, "reached": reached}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main() -> None:
    ratios = {}
    for name, mask in masks().items():
        theirs, ours = measure(mask)
        ratios[name] = theirs / ours
        report(f"brush code, {name}", round(ours * 1000, 2), None, "ms")
        report(f"brush code, {name}: times as fast as the SDK", round(ratios[name], 1), None, "x")
    report(
        "brush code: times as fast as the SDK, geometric mean",
        round(statistics.geometric_mean(ratios.values()), 1),
        TARGET_MEAN,
        "x",
    )
    report(
        "brush code: times as fast as the SDK, worst mask",
        round(min(ratios.values()), 1),
        TARGET_WORST,
        "x",
    )


if __name__ == "__main__":
    main()
