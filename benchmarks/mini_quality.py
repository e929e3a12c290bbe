"""What the bundled model scores, against what it should: the numbers of its card, and the demo.

    python benchmarks/mini_quality.py [--count 50]

Held-out scenes and, where OVSEG_SHARED_DATA has them, the nuclei pictures for validation: default
pipeline of `naclip@mini`, four absent words, shuffled (seed 0), CPU, float32. The demo is `make
demo` in an environment that is there already. Prints JSON lines {name, value, target, unit,
reached}.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

from ovseg_annotate.datasets.nuclei import NUCLEUS, is_nuclei_folder
from ovseg_annotate.evaluate_model import examine
from ovseg_annotate.evaluation.folder_sets import folder_trials
from ovseg_annotate.evaluation.held_out import Asking, all_scene_trials
from ovseg_annotate.evaluation.scores import Scores
from ovseg_annotate.evaluation.trials import TrialSet
from ovseg_annotate.image import Image
from ovseg_annotate.label_map import LabelMap
from ovseg_annotate.session import open_session
from ovseg_annotate.vocabulary import Vocabulary

ROOT = Path(__file__).parent.parent
BOUNDARY = 2.0  # px
MEAN_IOU = MappingProxyType(
    {
        "easy, unseen pairs": 0.85,
        "distractors, unseen pairs": 0.75,
        "crowded, unseen pairs": 0.65,
        "microscopy": 0.65,
        "large, unseen pairs": 0.65,
        "large-twice, unseen pairs": 0.60,
        "second-easy, unseen pairs": 0.70,
    }
)
NUCLEI = MappingProxyType({"fluorescence": 0.70, "stained": 0.50, "brightfield": 0.35})
SEEN_OVER_UNSEEN, SYNONYMS_BELOW, ABSENT_AREA = 0.08, 0.03, 0.05
DEMO_SECONDS = 60.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=50, help="pictures of each set")
    asking = Asking(parser.parse_args().count)
    scores: dict[str, Scores] = {}
    with open_session("naclip@mini", device="cpu", precision="float32") as session:

        def annotated(image: Image, vocabulary: Vocabulary) -> LabelMap:
            return session.annotate(image, vocabulary).label_map

        for trials in (*all_scene_trials(asking), *nuclei_trials(asking)):
            own = examine(trials, annotated, BOUNDARY, exhibits=0).result.scores
            scores[trials.name] = own
            tell(f"mini: {trials.name}, mIoU", own.mean_iou, at_least=MEAN_IOU.get(trials.name))
            for kind, least in NUCLEI.items():
                if trials.name.endswith(kind):
                    tell(f"mini: {trials.name}, IoU of things", own.foreground_iou, at_least=least)
    report_pairs(scores)
    start = time.perf_counter()
    subprocess.run(["make", "demo"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    tell("make demo, installed", time.perf_counter() - start, "s", at_most=DEMO_SECONDS)


def nuclei_trials(asking: Asking) -> Iterator[TrialSet]:
    shared = os.environ.get("OVSEG_SHARED_DATA")
    if shared and is_nuclei_folder(Path(shared) / "nuclei"):
        yield from folder_trials(Path(shared) / "nuclei", asking, Vocabulary.parse(NUCLEUS))


def report_pairs(scores: dict[str, Scores]) -> None:
    """What one set has over another, and what absent words take."""
    easy = scores["easy, unseen pairs"].mean_iou
    seen = scores["easy, seen pairs"].mean_iou - easy
    tell("mini: seen minus unseen, easy", seen, at_most=SEEN_OVER_UNSEEN)
    loss = easy - scores["easy, unseen pairs, synonyms"].mean_iou
    tell("mini: canonical words minus synonyms, easy", loss, at_most=SYNONYMS_BELOW)
    area = scores["easy, unseen pairs, 10 absent"].absent_area
    tell("mini: area of 10 absent words, easy", area, "of all", at_most=ABSENT_AREA)


def tell(
    name: str,
    value: float,
    unit: str = "IoU",
    *,
    at_least: float | None = None,
    at_most: float | None = None,
) -> None:
    target = at_least if at_most is None else at_most
    reached = None
    if target is not None:
        reached = value >= target if at_most is None else value <= target
    line = {"name": name, "value": round(value, 4), "target": target, "unit": unit}
    print(json.dumps({**line, "reached": reached}), flush=True)


if __name__ == "__main__":
    main()
