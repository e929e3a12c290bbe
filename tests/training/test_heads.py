"""Heads on a micro tower: runs that go on, that start from others, that tune the tower along."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from backbones.micro import write_micro_clip
from engines.micro_heads import TRUNK, micro_recipe
from public_trees import coco_stuff

from ovseg_annotate.backbones.system_folder import find_system
from ovseg_annotate.backbones.weights import load_clip
from ovseg_annotate.catalog import open_engine
from ovseg_annotate.errors import RunError, WeightsError
from ovseg_annotate.training.checkpoints import load_checkpoint
from ovseg_annotate.training.heads import HeadRecipe, begin_with, maker_of
from ovseg_annotate.training.labelled_batches import LabelledPictures
from ovseg_annotate.training.progress import Progress, read_log


class PowerCutError(Exception):
    pass


@pytest.fixture(scope="module")
def tower(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_micro_clip(tmp_path_factory.mktemp("tower"))


def longer(recipe: HeadRecipe, steps: int = 4) -> HeadRecipe:
    return replace(recipe, loop=replace(recipe.loop, steps=steps))


@pytest.mark.parametrize("tuning", ["frozen", "attention"])
def test_a_run_that_died_goes_on_with_the_same_losses(
    tower: Path, tmp_path: Path, tuning: str
) -> None:
    recipe = longer(micro_recipe("logoseg", tower, tuning=tuning))

    def cut_off(progress: Progress) -> None:
        if progress.step == 3:
            raise PowerCutError

    recipe.train(tmp_path / "whole")
    with pytest.raises(PowerCutError):
        recipe.train(tmp_path / "broken", cut_off)
    recipe.train(tmp_path / "broken")
    whole, broken = (
        {one.step: one.loss for one in read_log(tmp_path / name)} for name in ("whole", "broken")
    )
    # A phrase's vector differs by a rounding with the phrases that are encoded along with it.
    assert broken == pytest.approx(whole, rel=1e-5)


def test_a_frozen_tower_stays_as_it_was(tower: Path, tmp_path: Path) -> None:
    micro_recipe("catseg", tower).train(tmp_path)
    checkpoint = load_checkpoint(tmp_path)
    assert checkpoint is not None
    assert all(name.startswith("head.") for name in checkpoint.module)


def test_of_a_tuned_tower_queries_and_values_move_and_keys_do_not(
    tower: Path, tmp_path: Path
) -> None:
    recipe = micro_recipe("catseg", tower, tuning="attention")
    recipe = replace(recipe, loop=replace(recipe.loop, tower_share=1.0, learning_rate=0.01))
    before = load_clip(str(tower)).modules[0].state_dict()
    recipe.train(tmp_path)
    checkpoint = load_checkpoint(tmp_path)
    assert checkpoint is not None
    name = "transformer.resblocks.0.attn.in_proj_weight"
    moved = (checkpoint.module[f"image.{name}"] - before[name]).abs().amax(dim=1).chunk(3)
    assert moved[0].max() > 0
    assert moved[2].max() > 0
    assert moved[1].max() == 0
    assert torch.equal(checkpoint.module["image.proj"], before["proj"])


def test_a_system_starts_with_the_answers_of_the_trunk_it_is_given(
    tower: Path, tmp_path: Path
) -> None:
    plain = micro_recipe("catseg", tower)
    plain.train(tmp_path / "run")
    plain.export(tmp_path / "run", tmp_path / "plain")
    folder = find_system("catseg", str(tmp_path / "plain"))
    clip = load_clip(str(tower))
    trunk, ours = (maker_of(name)(clip, TRUNK) for name in ("catseg", "logoseg"))
    for system in (trunk, ours):
        begin_with(system, folder)
        system.head.eval()
    seen = trunk.see(torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    text = torch.randn(1, 3, 1, 32, generator=torch.Generator().manual_seed(1))
    assert torch.equal(trunk.head(seen, text), ours.head(seen, text))


def test_a_start_on_another_tower_is_refused(tower: Path, tmp_path: Path) -> None:
    plain = micro_recipe("catseg", write_micro_clip(tmp_path / "other", seed=1))
    plain.train(tmp_path / "run")
    plain.export(tmp_path / "run", tmp_path / "plain")
    started = micro_recipe("logoseg", tower, start=str(tmp_path / "plain"))
    with pytest.raises(WeightsError, match="was trained on the tower"):
        started.train(tmp_path / "started")


def test_photographs_teach_too(tower: Path, tmp_path: Path) -> None:
    data = LabelledPictures(
        "coco-stuff", str(coco_stuff(tmp_path / "coco", "train2017")), windows=2
    )
    recipe = replace(micro_recipe("catseg", tower), data=data, mask_unlabelled=False, window=40)
    recipe.train(tmp_path / "run")
    recipe.export(tmp_path / "run", tmp_path / "out")
    card = open_engine(f"catseg@{tmp_path / 'out'}", offline=True).card
    assert (card.window.height, card.window.width) == (40, 40)


def test_a_run_without_a_checkpoint_cannot_be_exported(tower: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no checkpoint in"):
        micro_recipe("catseg", tower).export(tmp_path, tmp_path / "out")
