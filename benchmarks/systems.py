"""Every engine that has weights for the bundled tower, on the same held-out scenes.

    python benchmarks/systems.py [--count 50] [--only quality] [ENGINE ...]

The default pipeline of `ovseg evaluate` (refinement and contrast words on, 4 absent words, words
shuffled), CPU, float32. Beside mean IoU and boundary F: the parameters that run, the seconds a
picture takes at 512 px with six words (features not kept, then kept), 260 words asked at once, and
the area that ten absent words take. Prints JSON lines {name, value, target, unit, reached}.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

import torch
from torch import nn

from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.catalog import models
from ovseg_annotate.datasets.scenes import SceneRules, draw_scene
from ovseg_annotate.datasets.scenes.words import (
    COLOURS,
    MATERIALS,
    MICRO_GROUNDS,
    MICRO_THINGS,
    SHAPES,
    names_of,
)
from ovseg_annotate.evaluate_model import examine
from ovseg_annotate.evaluation.held_out import Asking, SceneSet, scene_trials
from ovseg_annotate.evaluation.scores import Scores
from ovseg_annotate.evaluation.trials import Trial, TrialSet
from ovseg_annotate.geometry import Size
from ovseg_annotate.image import Image, from_array
from ovseg_annotate.label_map import LabelMap
from ovseg_annotate.session import Session, open_session
from ovseg_annotate.vocabulary import Concept, Vocabulary

TOWER = "mini"
BASELINES = ("naclip", "scclip")  # of the training-free ones: the default, and the best published
SETS = (SceneSet.EASY, SceneSet.DISTRACTORS, SceneSet.CROWDED, SceneSet.MICROSCOPY)
HEADS = frozenset({"logoseg", "fgaseg", "lmseg"})  # that must be better than without training
GAIN = 0.05  # on crowded scenes
MANY = 260
MANY_PICTURES = 20
WORDS = Vocabulary.parse("red circle; blue square; green star; yellow heart; grass; water")
RUNS = 3
BOUNDARY = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("engines", nargs="*", help="all that have weights, if none is named")
    parser.add_argument("--count", type=int, default=50, help="pictures of each set")
    parser.add_argument("--only", choices=("quality", "cost"), help="both, if not given")
    told = parser.parse_args()
    torch.set_num_threads(2)
    trained = [
        entry.engines[0]
        for entry in models()
        if entry.weights == TOWER and entry.engines[0] not in BASELINES
    ]
    best: dict[str, float] = {}
    for engine in told.engines or (*BASELINES, *trained):
        with open_session(f"{engine}@{TOWER}", device="cpu", precision="float32") as session:
            if told.only != "cost":
                scores = report_quality(engine, session, told.count, best)
                if engine in BASELINES:
                    best = {name: max(own, best.get(name, 0.0)) for name, own in scores.items()}
            if told.only != "quality":
                report_cost(engine, session)


def report_quality(
    engine: str, session: Session, count: int, best: Mapping[str, float]
) -> dict[str, float]:
    """Mean IoU of each set; `best` is what is reached without training."""
    scores = {}
    for trials in all_trials(count):
        examined = scored(session, trials)
        mean = scores[trials.name] = examined.mean_iou
        target = best.get(trials.name) if engine in HEADS else None
        if target is not None and trials.name == "crowded, unseen pairs":
            target += GAIN
        report(f"{engine}: {trials.name}, mIoU", mean, target, "", at_least=True)
        report(f"{engine}: {trials.name}, boundary F", examined.boundary, None, "")
    ten = scene_trials(SceneSet.CROWDED, "unseen", Asking(count, absent=10))
    area = scored(session, ten).absent_area
    report(f"{engine}: area of 10 absent words, crowded", area, None, "")
    if engine == "logoseg":
        off = {"existence": "off"}
        with open_session(
            session.model, device="cpu", precision="float32", engine_options=off
        ) as it:
            without = scored(it, ten).absent_area
        report("logoseg: the same, over that without the prior", area / without, 0.5, "x")
    return scores


def all_trials(count: int) -> Iterator[TrialSet]:
    for which in SETS:
        yield scene_trials(which, "unseen", Asking(count))
    yield scene_trials(SceneSet.CROWDED, "seen", Asking(count))
    yield scene_trials(SceneSet.SECOND_EASY, "unseen", Asking(count))
    crowded = scene_trials(SceneSet.CROWDED, "unseen", Asking(min(count, MANY_PICTURES)))
    many = partial(with_many_words, crowded)
    yield TrialSet(f"crowded, unseen pairs, {MANY} words", crowded.count, many)


def with_many_words(trials: TrialSet) -> Iterator[Trial]:
    """The same pictures, asked with every pair of a colour and a shape, and with things."""
    pairs = [" ".join(pair) for pair in itertools.product(names_of(COLOURS), names_of(SHAPES))]
    words = [*pairs, *names_of((*MATERIALS, *MICRO_THINGS, *MICRO_GROUNDS))]
    for trial in trials.draw():
        own = set(trial.vocabulary.names)
        others = [Concept(name) for name in words if name not in own]
        asked = Vocabulary((*trial.vocabulary, *others[: MANY - len(own)]))
        yield replace(trial, vocabulary=asked)


def scored(session: Session, trials: TrialSet) -> Scores:
    def annotated(image: Image, vocabulary: Vocabulary) -> LabelMap:
        return session.annotate(image, vocabulary, AnnotateOptions()).label_map

    return examine(trials, annotated, BOUNDARY, exhibits=0).result.scores


def report_cost(engine: str, session: Session) -> None:
    fresh: list[float] = []
    kept: list[float] = []
    for seed in range(1 + RUNS):
        scene = draw_scene(SceneRules(size=Size(512, 512)), seed)
        image = from_array(scene.pixels, name=f"scene {seed}")
        for times in (fresh, kept):
            begun = time.perf_counter()
            session.annotate(image, WORDS)
            times.append(time.perf_counter() - begun)
    report(f"{engine}: 512 px, six words", statistics.median(fresh[1:]), None, "s")
    report(f"{engine}: 512 px, six words, features kept", statistics.median(kept[1:]), None, "s")
    report(f"{engine}: parameters", parameters_of(session) / 1e6, None, "million")


def parameters_of(session: Session) -> int:
    """Of every network that the engine holds."""
    found: dict[int, int] = {}
    pending: list[dict[str, object]] = [vars(session.engine)]
    seen: set[int] = set()
    while pending:
        for value in pending.pop().values():
            if id(value) in seen:
                continue
            seen.add(id(value))
            if isinstance(value, nn.Module):
                found |= {id(each): each.numel() for each in value.parameters()}
            elif type(value).__module__.startswith("ovseg_annotate"):
                slots = getattr(type(value), "__slots__", ())
                inside = {name: getattr(value, name) for name in slots if hasattr(value, name)}
                pending.append({**getattr(value, "__dict__", {}), **inside})
            elif isinstance(value, tuple):
                pending.append({str(place): each for place, each in enumerate(value)})
    return sum(found.values())


def report(
    name: str, value: float, target: float | None, unit: str, *, at_least: bool = False
) -> None:
    reached = None if target is None else (value >= target if at_least else value <= target)
    line = {"name": name, "value": value, "target": target, "unit": unit, "reached": reached}
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
