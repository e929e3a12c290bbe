"""How long `annotate` takes with the bundled model: 6 concepts, every option at its default.

Generated pictures (mixed scenes, seeds 0 to 3), CPU, two threads, the precision that "auto" takes
on this machine (bfloat16 where the CPU multiplies it) and float32. `fresh`: a new picture
each time, its words encoded before. `kept`: the same picture again, so that the image tower does
not run. Medians are told, after one run that warms up. The bare forward is open_clip's own
`encode_image` of the same weights in the same precision over as many windows of the same size,
eight at a time, in turns with the fresh runs so that both meet the same load.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from importlib import resources

import torch

from ovseg_annotate.annotate_options import AnnotateOptions, WorkingScale
from ovseg_annotate.datasets.scenes import SceneRules, draw_scene
from ovseg_annotate.geometry import Size
from ovseg_annotate.image import Image, from_array
from ovseg_annotate.session import Session, open_session
from ovseg_annotate.tiling import plan_windows, working_size
from ovseg_annotate.vocabulary import Vocabulary

THREADS = 2
TARGETS = {512: 1.0, 2048: 12.0}  # seconds, by side in px
WORDS = Vocabulary.parse("red circle; blue square; green star; yellow heart; grass; water")
DEFAULT = AnnotateOptions()
RUNS = 3
BATCH = 8


def main() -> None:
    torch.set_num_threads(THREADS)
    sides = [int(side) for side in sys.argv[1:]] or list(TARGETS)
    for side in sides:
        for precision in ("auto", "float32"):
            session = open_session("naclip@mini", device="cpu", precision=precision)
            session.text_bank(WORDS, DEFAULT.contrast)
            report_side(session, side, target=TARGETS.get(side) if precision == "auto" else None)


def report_side(session: Session, side: int, target: float | None) -> None:
    bare = bare_forward(session, side)
    fresh, kept, alone = [], [], []
    for run in range(1 + RUNS):
        image = picture(side, run)
        times = [
            seconds(lambda image=image: session.annotate(image, WORDS)),
            seconds(lambda image=image: session.annotate(image, WORDS)),
            seconds(bare),
        ]
        if run > 0:
            for kind, took in zip((fresh, kept, alone), times, strict=True):
                kind.append(took)
    name = (
        f"annotate with mini, {side} x {side} px, 6 concepts, {THREADS} threads, "
        f"{session.placement.precision}"
    )
    first, again = statistics.median(fresh), statistics.median(kept)
    tower = statistics.median(alone)
    tell(f"{name}: fresh", first, target, "s")
    if target is not None:
        tell(f"{name}: fresh, over the target", first / target, 1.0, "x")
    tell(f"{name}: kept features", again, None, "s")
    tell(f"{name}: bare forward of the tower", tower, None, "s")
    tell(f"{name}: fresh over the bare forward", first / tower, None, "x")
    tell(f"{name}: kept features over fresh", again / first, None, "x")


def picture(side: int, seed: int) -> Image:
    return from_array(draw_scene(SceneRules(size=Size(side, side), pairs="any"), seed).pixels)


def bare_forward(session: Session, side: int) -> Callable[[], object]:
    """The tower's own forward over the windows of a picture, in batches like the session's."""
    import open_clip  # noqa: PLC0415  the one comparison with the library itself

    card = session.engine.card
    size = Size(side, side)
    scale = WorkingScale(card.short_side, None if card.short_side else card.magnification)
    working = working_size(size, scale.factor_for(side), card.window, card.multiple_of)
    count = len(plan_windows(working, card.window, card.overlap, card.stride).windows)
    folder = resources.files("ovseg_annotate.assets").joinpath("mini")
    dtype = session.placement.dtype
    network = open_clip.create_model(f"local-dir:{folder}").eval().to(dtype)
    windows = torch.rand(BATCH, 3, card.window.height, card.window.width, dtype=dtype)

    def forward() -> None:
        with torch.inference_mode():
            for start in range(0, count, BATCH):
                network.encode_image(windows[: min(BATCH, count - start)])

    return forward


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def tell(name: str, value: float, target: float | None, unit: str) -> None:
    reached = None if target is None else value <= target
    line = {"name": name, "value": round(value, 4), "target": target, "unit": unit}
    print(json.dumps({**line, "reached": reached}), flush=True)


if __name__ == "__main__":
    main()
