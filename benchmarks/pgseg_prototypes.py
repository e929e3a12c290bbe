"""Whether prototypes help PGSeg: the second stage with them and without, from one first stage.

python benchmarks/pgseg_prototypes.py [recipe] [run folder] [seeds]

For every seed the recipe runs as it is. Where its second stage begins, its state is put aside, and
a second run goes on from there without prototypes, on the same batches. Both are scored on
held-out scenes by the quick look of the training (no windows, no refinement, all concepts of the
next three scenes competing). Prints JSON lines {name, value, target, unit, reached}.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
from dataclasses import replace
from pathlib import Path

import torch

from ovseg_annotate.datasets.scenes.scene import SceneStyle
from ovseg_annotate.training.checkpoints import load_checkpoint
from ovseg_annotate.training.pgseg import PgsegTraining
from ovseg_annotate.training.pgseg_probe import ProbedScenes, mean_iou
from ovseg_annotate.training.pgseg_recipe import PgsegRecipe
from ovseg_annotate.training.progress import Progress
from ovseg_annotate.training.recipes import read_recipe

RECIPE = Path("recipes/pgseg-mini.toml")
SEEDS = (1, 2, 3)
LOOKED_AT = (
    ProbedScenes(count=60, style=SceneStyle.EASY, pairs="seen"),
    ProbedScenes(count=60, style=SceneStyle.EASY, pairs="unseen"),
    ProbedScenes(count=60, style=SceneStyle.CROWDED, pairs="seen"),
)


def main(recipe: PgsegRecipe, runs: Path, seeds: tuple[int, ...]) -> None:
    torch.set_num_threads(1)
    gains: dict[str, list[float]] = {}
    for seed in seeds:
        seeded = replace(recipe, loop=replace(recipe.loop, seed=seed))
        scores = {
            True: scored(seeded, with_prototypes(seeded, runs / f"with-{seed}")),
            False: scored(plain(seeded), without(seeded, runs / f"with-{seed}")),
        }
        for name, value in scores[True].items():
            gains.setdefault(name, []).append(value - scores[False][name])
            report(f"{name}, seed {seed}: with prototypes", value)
            report(f"{name}, seed {seed}: without", scores[False][name])
    for name, values in gains.items():
        report(
            f"{name}: gain by prototypes, mean of {len(values)} seeds", statistics.mean(values), 0
        )
        if len(values) > 1:
            report(f"{name}: its standard deviation", statistics.stdev(values))


def plain(recipe: PgsegRecipe) -> PgsegRecipe:
    return replace(recipe, stages=replace(recipe.stages, prototypes=False))


def with_prototypes(recipe: PgsegRecipe, folder: Path) -> Path:
    """Train by the recipe; keep the state at the end of its first stage beside the folder."""
    first = recipe.stages.groupvit
    aside = put_aside(folder)

    def keep(progress: Progress) -> None:
        if progress.step > first and not aside.exists():  # the checkpoint on disk is the first's
            shutil.copytree(folder, aside)

    often = replace(recipe.loop, log_every=1, checkpoint_every=first)
    replace(recipe, loop=often).train(folder, keep)
    return folder


def without(recipe: PgsegRecipe, folder: Path) -> Path:
    """Go on from the end of the first stage without prototypes."""
    plain(recipe).train(put_aside(folder))
    return put_aside(folder)


def put_aside(folder: Path) -> Path:
    return folder.with_name(folder.name + "-put-aside")


def scored(recipe: PgsegRecipe, folder: Path) -> dict[str, float]:
    """Of the averaged weights."""
    checkpoint = load_checkpoint(folder)
    assert checkpoint is not None
    network = recipe.network()
    network.load_state_dict({**checkpoint.module, **checkpoint.averaged})
    training = PgsegTraining(network.eval(), recipe.stages)
    training.prototypes = recipe.stages.prototypes
    return {
        f"pgseg, {one.style}, {one.pairs} pairs": mean_iou(training, recipe.reading(), one)
        for one in LOOKED_AT
    }


def report(name: str, value: float, target: float | None = None) -> None:
    reached = None if target is None else value > target
    line = {"name": name, "value": round(value, 4), "target": target, "unit": "mIoU"}
    print(json.dumps({**line, "reached": reached}), flush=True)


if __name__ == "__main__":
    wanted = read_recipe(Path(sys.argv[1]) if len(sys.argv) > 1 else RECIPE)
    assert isinstance(wanted, PgsegRecipe)
    into = Path(sys.argv[2]) if len(sys.argv) > 2 else Path("runs/pgseg-prototypes")
    main(wanted, into, tuple(map(int, sys.argv[3:])) or SEEDS)
