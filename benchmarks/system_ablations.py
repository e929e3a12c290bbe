"""What each part of the trained heads brings: the same short training with and without it.

    python benchmarks/system_ablations.py RUNS [--steps 100] [--seeds 3] [--only logoseg ...]

Every variant starts from the plain trunk that is bundled (catseg@mini) and is trained for as many
steps on the same batches; the plain trunk itself goes on for as long, and every part is measured
against it and against its system without it. Scores are mean IoU on held-out crowded scenes of
unseen pairs through the default pipeline: the mean over seeds, and the largest distance from it.
Trainings that are in RUNS already are not repeated. CPU, float32, one thread a training. Prints
JSON lines {name, value, spread, target, unit, reached}.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.evaluate_model import examine
from ovseg_annotate.evaluation.held_out import Asking, SceneSet, scene_trials
from ovseg_annotate.image import Image
from ovseg_annotate.label_map import LabelMap
from ovseg_annotate.session import open_session
from ovseg_annotate.training.heads import HeadRecipe
from ovseg_annotate.training.loop import Ending
from ovseg_annotate.training.recipes import read_recipe
from ovseg_annotate.vocabulary import Vocabulary

RECIPES = Path(__file__).parent.parent / "recipes"
PLAIN = "catseg"
START = "mini"
LEARNING_RATE = 0.0015
WARMUP = 15


@dataclass(frozen=True, slots=True)
class Variant:
    """A system, and what of its recipe's parts is set otherwise."""

    system: str
    without: str = ""  # empty: whole
    parts: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        return f"{self.system} without {self.without}" if self.without else self.system

    @property
    def slug(self) -> str:
        return self.name.replace(" ", "-")


VARIANTS = (
    Variant(PLAIN),
    Variant("logoseg"),
    Variant("logoseg", "existence", {"logoseg": {"existence": {"mode": "off"}}}),
    Variant("logoseg", "regions", {"logoseg": {"region_grids": []}}),
    Variant("logoseg", "dual stream", {"logoseg": {"dual": False}}),
    Variant("fgaseg"),
    Variant("fgaseg", "pixel-text", {"text_layers": 0}),
    Variant("fgaseg", "local masks", {"local_side": 0}),
    Variant("fgaseg", "align loss", {"align_weight": 0.0}),
    Variant("lmseg"),
    Variant("lmseg", "guide", {"fusion": {"fixed": 1.0}}),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", type=Path)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--part-seeds", type=int, help="of systems without a part; else as many")
    parser.add_argument("--count", type=int, default=30, help="pictures")
    parser.add_argument("--only", nargs="*", default=[], help="systems")
    told = parser.parse_args()
    torch.set_num_threads(1)
    scores: dict[str, list[float]] = {}
    for seed in range(1, told.seeds + 1):  # seed by seed, so that a part of the whole tells all
        for variant in VARIANTS:
            if told.only and variant.system not in told.only:
                continue
            if variant.without and seed > (
                told.seeds if told.part_seeds is None else told.part_seeds
            ):
                continue
            folder = told.runs / f"{variant.slug}-{told.steps}-{seed}"
            score = score_of(variant, folder, told.steps, seed, told.count)
            scores.setdefault(variant.name, []).append(score)
            print(f"{variant.name}, seed {seed}: {score:.4f}", flush=True)
    for name, own in scores.items():
        report(f"ablation: {name}, {told.steps} steps", own, None)
    for variant in VARIANTS:
        compare(variant, scores)


def score_of(variant: Variant, folder: Path, steps: int, seed: int, count: int) -> float:
    """Train if it has to be, and measure."""
    exported = folder / "exported"
    if not (exported / "system.json").is_file():
        recipe = recipe_of(variant, steps, seed)
        if recipe.train(folder / "run").ending is not Ending.FINISHED:
            raise SystemExit(f"stopped in {folder}; the same command goes on from there")
        recipe.export(folder / "run", exported)
    measured = folder / f"score-{count}.json"
    if not measured.is_file():
        measured.write_text(json.dumps(crowded_score(f"{variant.system}@{exported}", count)))
    score: float = json.loads(measured.read_text())
    return score


def recipe_of(variant: Variant, steps: int, seed: int) -> HeadRecipe:
    recipe = read_recipe(RECIPES / f"{variant.system}-mini.toml")
    assert isinstance(recipe, HeadRecipe)
    loop = replace(
        recipe.loop,
        steps=steps,
        seed=seed,
        learning_rate=LEARNING_RATE,
        warmup_steps=WARMUP,
        ema_decay=0.98,
        score_every=0,
    )
    pictures = replace(recipe.pictures, windows=16, nuclei_folder=None)
    parts = merged(recipe.parts, variant.parts or {})
    return replace(recipe, start=START, parts=parts, pictures=pictures, loop=loop)


def merged(parts: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Tables within tables, the changes on top."""
    whole = dict(parts)
    for name, value in changes.items():
        inside = isinstance(value, Mapping)
        whole[name] = merged(whole.get(name, {}), value) if inside else value
    return whole


def crowded_score(model: str, count: int) -> float:
    with open_session(model, device="cpu", precision="float32") as session:

        def annotated(image: Image, vocabulary: Vocabulary) -> LabelMap:
            return session.annotate(image, vocabulary, AnnotateOptions()).label_map

        trials = scene_trials(SceneSet.CROWDED, "unseen", Asking(count))
        return examine(trials, annotated, 2.0, exhibits=0).result.scores.mean_iou


def compare(variant: Variant, scores: Mapping[str, list[float]]) -> None:
    """What a whole system has over the plain trunk, or over itself without one of its parts."""
    own = scores.get(variant.name)
    whole, other = (
        (own, scores.get(PLAIN)) if not variant.without else (scores.get(variant.system), own)
    )
    if variant.system == PLAIN or whole is None or other is None:
        return
    gains = [ours - theirs for ours, theirs in zip(whole, other, strict=False)]  # seed by seed
    what = f"{variant.system} over the plain trunk" if not variant.without else variant.without
    report(
        f"ablation: gain of {what}" + (f" ({variant.system})" if variant.without else ""),
        gains,
        0.0,
    )


def report(name: str, values: list[float], target: float | None) -> None:
    mean = statistics.mean(values)
    spread = max(abs(value - mean) for value in values)
    reached = None if target is None else mean - spread > target
    line = {"name": name, "value": mean, "spread": spread, "target": target, "unit": "mIoU"}
    print(json.dumps({**line, "reached": reached}), flush=True)


if __name__ == "__main__":
    main()
