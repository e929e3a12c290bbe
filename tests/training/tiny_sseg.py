"""S-Seg trainings of a few steps on a tiny tower."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from backbones.micro import write_micro_clip
from engines.micro_sseg import micro_parts

from ovseg_annotate.masks.clusters import ClusterOptions
from ovseg_annotate.training.options import LoopOptions
from ovseg_annotate.training.progress import Progress
from ovseg_annotate.training.sseg import PseudoMasks, SsegRecipe
from ovseg_annotate.training.sseg_batches import SsegPictures

FEW_STEPS = LoopOptions(
    steps=8, warmup_steps=1, learning_rate=3e-3, precision="fp32", log_every=1, checkpoint_every=3
)


class Killed(Exception):  # noqa: N818  no fault: the end of a process, inside a test
    pass


def dies_after(step: int) -> object:
    def tell(progress: Progress) -> None:
        if progress.step == step:
            raise Killed

    return tell


def tiny_recipe(folder: Path) -> SsegRecipe:
    return SsegRecipe(
        parts=micro_parts(str(write_micro_clip(folder / "tower"))),
        pictures=SsegPictures(pictures=4, side=32, pool=6),
        pseudo=PseudoMasks(clusters=ClusterOptions(4)),
        loop=FEW_STEPS,
    )


def on_pairs(recipe: SsegRecipe, pairs: Path) -> SsegRecipe:
    return replace(recipe, pictures=replace(recipe.pictures, pairs=str(pairs)))
