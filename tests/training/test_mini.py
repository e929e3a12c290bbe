from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch

from ovseg_annotate.backbones.tokenizer_subset import (
    MERGES_FILE,
    merges_bytes,
    needed_merges,
    read_merges,
    subset_tokenizer,
    vocabulary_size,
)
from ovseg_annotate.datasets.scenes.scene import SceneStyle
from ovseg_annotate.errors import OptionError, RunError
from ovseg_annotate.training.export import CARD_FILE, CONFIG_FILE, WEIGHTS_FILE, export_mini
from ovseg_annotate.training.losses import RegionStatements
from ovseg_annotate.training.mini import (
    LossWeights,
    MiniTraining,
    anchor_loss,
)
from ovseg_annotate.training.mini_model import MiniShape, build_mini
from ovseg_annotate.training.mini_recipe import MiniRecipe
from ovseg_annotate.training.options import LoopOptions
from ovseg_annotate.training.probe import probe
from ovseg_annotate.training.progress import Progress, read_log
from ovseg_annotate.training.recipes import read_recipe
from ovseg_annotate.training.region_batches import RegionBatch, WordGroup
from ovseg_annotate.training.scene_batches import PictureOptions, SceneBatches

RECIPES = Path(__file__).parents[2] / "recipes"
TINY = MiniRecipe(
    shape=MiniShape(
        image_size=64, patch_size=16, width=64, layers=2, embed_dim=80, text_width=64, text_layers=1
    ),
    pictures=PictureOptions(pictures=4, focus_pictures=6, hard_negatives=4, random_negatives=4),
    loop=LoopOptions(steps=4, warmup_steps=1, log_every=1, checkpoint_every=2, learning_rate=3e-3),
)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    TINY.train(folder)
    return folder


def test_every_step_reports_every_part_of_the_loss(run_folder: Path) -> None:
    records = read_log(run_folder)
    assert [record.step for record in records] == [1, 2, 3, 4]
    parts = {"captions", "phrase_anchors"}
    for path in ("plain", "neighbours"):
        parts |= {path, f"{path}_words", f"{path}_anchors"}
    assert all(set(record.losses) == parts for record in records)


def test_a_batch_can_be_learnt(run_folder: Path) -> None:
    merges_file = run_folder / MERGES_FILE
    size = vocabulary_size(read_merges(merges_file))
    training = MiniTraining(build_mini(TINY.shape, size, 0), TINY.shape, LossWeights())
    batch = SceneBatches(TINY.pictures, TINY.shape, merges_file, seed=3, batches=1).batch(0)
    optimiser = torch.optim.AdamW(training.module.parameters(), lr=3e-3)
    sums = []
    for _ in range(10):
        total = torch.stack(list(training.losses(batch).values())).sum()
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        sums.append(total.item())
    assert sums[-1] < 0.9 * sums[0]


def test_a_run_that_was_cut_off_has_the_losses_of_one_that_was_not(
    run_folder: Path, tmp_path: Path
) -> None:
    def cut_off(progress: Progress) -> None:
        if progress.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        TINY.train(tmp_path, cut_off)
    TINY.train(tmp_path)
    losses = [record.losses for record in read_log(tmp_path)]
    assert losses == [record.losses for record in read_log(run_folder)]


def test_the_export_is_what_open_clip_loads(run_folder: Path, tmp_path: Path) -> None:
    steps = export_mini(run_folder, tmp_path, TINY.shape)
    model = open_clip.create_model(f"local-dir:{tmp_path}").eval()
    tokenizer = open_clip.get_tokenizer(
        f"local-dir:{tmp_path}", bpe_path=str(tmp_path / MERGES_FILE)
    )
    assert steps == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [MERGES_FILE, CONFIG_FILE, WEIGHTS_FILE, CARD_FILE]
    )
    assert model.encode_text(tokenizer(["red circle"])).shape == (1, 80)
    assert model.encode_image(torch.zeros(1, 3, 64, 64)).shape == (1, 80)
    card = json.loads((tmp_path / CARD_FILE).read_text())
    assert card["templates"] == "plain"
    assert {"red", "circle", "nucleus", "grass", "cell"} <= set(card["known_words"])
    assert model.visual.image_mean == list(
        json.loads((tmp_path / CONFIG_FILE).read_text())["preprocess_cfg"]["mean"]
    )


def test_a_run_that_has_not_begun_cannot_be_exported(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no checkpoint"):
        export_mini(tmp_path, tmp_path / "assets")


def test_batches_depend_on_seed_and_number_only(tmp_path: Path) -> None:
    merges_file = tmp_path / MERGES_FILE
    merges_file.write_bytes(merges_bytes(needed_merges(["red"])))

    def source(seed: int) -> SceneBatches:
        return SceneBatches(TINY.pictures, TINY.shape, merges_file, seed, batches=10)

    later, first = source(3), source(3)
    later.batch(4)
    one, same = later.batch(5), first.batch(5)
    assert torch.equal(one.pictures, same.pictures)
    assert torch.equal(one.phrases, same.phrases)
    assert torch.equal(one.statements.false, same.statements.false)
    assert not torch.equal(one.pictures, source(4).batch(5).pictures)
    assert not torch.equal(one.pictures, later.batch(6).pictures)


def test_a_focused_batch_has_small_windows_and_two_of_each_scene(tmp_path: Path) -> None:
    merges_file = tmp_path / MERGES_FILE
    merges_file.write_bytes(merges_bytes(needed_merges(["red"])))

    def first_batch(focus_share: float) -> RegionBatch:
        options = replace(TINY.pictures, focus_share=focus_share)
        source = SceneBatches(options, MiniShape(), merges_file, seed=3, batches=10)
        return source.batch(0)

    focused, whole = first_batch(1.0), first_batch(0.0)
    assert focused.pictures.shape == (6, 3, 48, 48)
    assert whole.pictures.shape == (4, 3, 96, 96)
    assert whole.corner == (0, 0)
    assert all(0 <= side <= 6 for side in focused.corner)


def test_training_seeds_are_far_from_those_of_held_out_sets(tmp_path: Path) -> None:
    source = SceneBatches(TINY.pictures, TINY.shape, tmp_path, seed=1, batches=10)
    seeds = [seed for number in range(50) for seed in source.seeds(number)]
    assert min(seeds) >= 2**62
    assert len(set(seeds)) == len(seeds)


def test_a_probe_of_an_untrained_model_finds_next_to_nothing(run_folder: Path) -> None:
    shape = replace(TINY.shape, image_size=96)
    size = vocabulary_size(read_merges(run_folder / MERGES_FILE))
    training = MiniTraining(build_mini(shape, size, 0), shape, LossWeights())
    tokenizer = subset_tokenizer(run_folder / MERGES_FILE, shape.context_length)
    score = probe(training, tokenizer, SceneStyle.EASY, "unseen", scenes=8)
    assert 0 <= score.mean_iou < 0.4
    assert 0 <= score.colour < 0.6
    assert np.isfinite(score.shape)


def test_the_bundled_recipe_can_be_read() -> None:
    recipe = read_recipe(RECIPES / "mini.toml")
    assert recipe.shape == MiniShape()
    assert recipe.pictures.nuclei_folder is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[loop]\nstepps = 3", "unknown option 'stepps'.*steps"),
        ("[lop]\nsteps = 3", "unknown option 'lop'.*loop"),
        ("[loop]\nsteps = 'many'", "'steps': expected int"),
        ("[loop]\nsteps = 0", "steps: got 0"),
        ("[loop\nsteps = 0", "not valid TOML"),
    ],
)
def test_a_mistake_in_a_recipe_is_named_with_its_file(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(OptionError, match=f"wrong.toml.*{says}"):
        read_recipe(path)


def test_a_recipe_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"absent\.toml"):
        read_recipe(tmp_path / "absent.toml")


def test_a_phrase_that_points_to_the_wrong_anchor_costs_more() -> None:
    false = torch.ones(2, 2, dtype=torch.bool)
    colours = WordGroup(0, 2, RegionStatements(torch.tensor([0, -1]), false))
    shapes = WordGroup(2, 4, RegionStatements(torch.tensor([1, 0]), false))
    right = torch.tensor([[3.0, 0.0, 0.0, 3.0], [0.0, 0.0, 3.0, 0.0]])
    wrong = torch.tensor([[3.0, 0.0, 3.0, 0.0], [0.0, 0.0, 3.0, 0.0]])
    nothing_said_of = right.clone()
    nothing_said_of[1, 0] = 50.0  # the second phrase names no colour
    groups = (colours, shapes)
    assert anchor_loss(right, groups) < anchor_loss(wrong, groups)
    assert anchor_loss(nothing_said_of, groups) == anchor_loss(right, groups)
