"""Run under torchrun by a test: kinds of recipes, whole and stopped half way, and one killed.

The process that writes the checkpoints kills itself in the last training, once: torchrun starts
both processes anew, and what was finished before is found finished.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

import torch
from backbones.micro import write_micro_clip
from engines.micro_heads import micro_recipe
from engines.micro_sseg import write_micro_sseg

from ovseg_annotate.training.distributed import peers_of_torchrun
from ovseg_annotate.training.progress import Progress
from ovseg_annotate.training.recipes import Recipe, read_recipe
from ovseg_annotate.training.sseg_plus import SsegPlusRecipe, TargetPictures, Teacher
from tests.training.test_guide import SMALL as GUIDE
from tests.training.test_kill import RECIPE as MINI
from tests.training.test_pgseg import TINY_RECIPE as PGSEG
from tests.training.tiny_sseg import tiny_recipe

STEPS = 5
SHORT: dict[str, object] = {
    "steps": STEPS,
    "warmup_steps": 1,
    "precision": "fp32",
    "log_every": 1,
    "checkpoint_every": 2,
    "workers": 0,
}
SIGNALLED_AT = 3  # beyond the checkpoint at 2: what a kill undoes has to be learnt again
KILLED = "guide"
KINDS = ("mini", "logoseg", "pgseg", "sseg", "sseg-plus", "guide")
QUICK_KINDS = ("logoseg",)  # of every run of the tests; all of them take minutes


def recipes(folder: Path) -> dict[str, Recipe]:
    """One small recipe of each kind; towers and teachers are the same in every process."""
    (folder / "mini.toml").write_text(MINI)
    teacher = str(write_micro_sseg(folder / "teacher"))
    made = {
        "mini": read_recipe(folder / "mini.toml"),
        "logoseg": with_loop(
            micro_recipe("logoseg", write_micro_clip(folder / "tower")),
            seed=27,  # whose phrases, of two processes, the micro tower's tokens are enough for
        ),
        "pgseg": PGSEG,
        "sseg": tiny_recipe(folder),
        "sseg-plus": SsegPlusRecipe(
            teacher=Teacher("red", teacher, weight=0.5, confidence=0.0),
            pictures=TargetPictures(pictures=3, side=32, scenes=4),
        ),
        "guide": GUIDE,
    }
    return {kind: with_loop(recipe, **SHORT) for kind, recipe in made.items()}


def with_loop(recipe: Recipe, **changes: object) -> Recipe:
    loop = replace(recipe.loop, **changes)  # type: ignore[attr-defined]
    return replace(recipe, loop=loop)  # type: ignore[type-var]


def signalled_once(note: Path, number: signal.Signals) -> Callable[[Progress], None]:
    """The leader sends itself a signal after a step; the note says that it did."""

    def look(progress: Progress) -> None:
        if progress.step == SIGNALLED_AT and not note.exists():
            note.touch()
            os.kill(os.getpid(), number)

    return look


def main(folder: Path, kinds: Collection[str]) -> None:
    torch.set_num_threads(1)
    with peers_of_torchrun(torch.device("cpu")) as peers:
        own = folder / f"process_{peers.rank}"
        own.mkdir(exist_ok=True)
        made = recipes(own)
        for kind in kinds:
            recipe = made[kind]
            recipe.train(folder / "whole" / kind, peers=peers)
            stopped = signalled_once(folder / f"{kind}.stopped", signal.SIGTERM)
            recipe.train(folder / "stopped" / kind, stopped, peers=peers)
            recipe.train(folder / "stopped" / kind, peers=peers)
        if KILLED in kinds:
            killed = signalled_once(folder / f"{KILLED}.killed", signal.SIGKILL)
            made[KILLED].train(folder / "killed" / KILLED, killed, peers=peers)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
