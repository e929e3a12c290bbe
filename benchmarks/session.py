"""What a session costs beside the network it runs.

Random ViT-B/16 weights (seed 0) and random pictures (seed 0), CPU, float32: speed does not depend
on what the numbers mean. Ratios come from interleaved runs in one process; medians are told.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image as Pillow

from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.image import Image, from_array
from ovseg_annotate.session import Session, open_session
from ovseg_annotate.tiling import plan_windows, working_size
from ovseg_annotate.vocabulary import Vocabulary

MODEL = "naclip@random:ViT-B-16:0"
NATIVE = AnnotateOptions(scale="native")
PICTURES = 200


def main() -> None:
    pictures = int(sys.argv[1]) if len(sys.argv) > 1 else PICTURES
    session = open_session(MODEL, device="cpu", precision="float32")
    for side in (448, 1024):
        report_overhead(session, side)
    report_new_words(session)
    report_many(session, pictures)


def report_overhead(session: Session, side: int) -> None:
    """Whole `annotate` over the bare batched open_clip forward on the same windows."""
    words = vocabulary(21)
    bare = bare_forward(session, side)
    session.text_bank(words, NATIVE.contrast)  # both sides start with the words encoded
    ratios = []
    for run in range(4):
        image = picture(side, run)  # a new picture each time: nothing is kept from before
        whole_time = seconds(lambda image=image: session.annotate(image, words, NATIVE))
        bare_time = seconds(bare)
        if run > 0:
            ratios.append(whole_time / bare_time)
    tell(
        f"annotate over bare open_clip forward, ViT-B/16, {side} px, 21 concepts",
        statistics.median(ratios),
        1.05,
        "x",
    )


def report_new_words(session: Session) -> None:
    """Other words on kept features, their encoding included."""
    image = picture(1024, 99)
    first = seconds(lambda: session.annotate(image, vocabulary(10, "first"), NATIVE))
    later = [
        seconds(lambda run=run: session.annotate(image, vocabulary(10, f"other {run}"), NATIVE))
        for run in range(5)
    ]
    again = statistics.median(later)
    name = "new words on kept features, 1024 x 1024, 10 concepts"
    tell(f"{name}, over the first annotate", 100 * again / first, 5.0, "%")
    tell(name, 1000 * again, 250.0, "ms")


def report_many(session: Session, pictures: int) -> None:
    """`annotate_many` over the sum of the tower's forward alone; default scale."""
    words = vocabulary(6)
    options = AnnotateOptions()
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for number in range(pictures):
            path = Path(folder) / f"{number:03}.png"
            Pillow.fromarray(picture(1024, number).pixels).save(path, compress_level=1)
            paths.append(path)
        session.text_bank(words, options.contrast)
        start = time.perf_counter()
        outcomes = sum(
            1
            for outcome in session.annotate_many(paths, words, options)
            if outcome.annotation is not None and outcome.annotation.regions()
        )
        whole = time.perf_counter() - start
    assert outcomes == pictures
    short = session.engine.card.short_side
    forward = bare_forward(session, 1024 if short is None else short)
    forward()
    alone = statistics.median(seconds(forward) for _ in range(7)) * pictures
    tell(
        f"annotate_many and regions, {pictures} pictures of 1024 px, over the tower alone",
        whole / alone,
        1.15,
        "x",
    )


def bare_forward(session: Session, side: int) -> Callable[[], object]:
    """The tower's own forward over the windows of a picture, in batches like the session's."""
    card = session.engine.card
    working = working_size(picture(side, 0).size, 1.0, card.window, card.multiple_of)
    count = len(
        plan_windows(working, card.window, session.engine.card.overlap, card.stride).windows
    )
    import open_clip  # noqa: PLC0415  the one comparison with the library itself

    network = open_clip.create_model("ViT-B-16").eval()
    windows = torch.rand(count, 3, card.window.height, card.window.width)

    def forward() -> None:
        with torch.inference_mode():
            for start in range(0, count, 8):
                network.encode_image(windows[start : start + 8])

    return forward


def vocabulary(concepts: int, kind: str = "thing") -> Vocabulary:
    return Vocabulary.parse(";".join(f"{kind} number {number}" for number in range(concepts)))


def picture(side: int, seed: int) -> Image:
    return from_array(np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8))


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def tell(name: str, value: float, target: float, unit: str) -> None:
    line = {"name": name, "value": value, "target": target, "unit": unit}
    print(json.dumps({**line, "reached": value <= target}), flush=True)


if __name__ == "__main__":
    main()
