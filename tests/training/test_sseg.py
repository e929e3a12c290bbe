"""The training of S-Seg: what it learns from, and that it can be interrupted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from backbones.micro import write_micro_clip
from PIL import Image as PillowImage
from safetensors.torch import save_file
from training.tiny_sseg import FEW_STEPS, Killed, dies_after, on_pairs, tiny_recipe

from ovseg_annotate.backbones.mask_pyramids import PyramidParts
from ovseg_annotate.catalog import open_engine
from ovseg_annotate.errors import OptionError, RunError, WeightsError
from ovseg_annotate.geometry import Size
from ovseg_annotate.options import read_options
from ovseg_annotate.training.loop import FAILED_BATCHES_FILE, Ending
from ovseg_annotate.training.progress import read_log
from ovseg_annotate.training.recipes import read_recipe
from ovseg_annotate.training.sseg import PseudoMasks, SsegRecipe, SsegTraining
from ovseg_annotate.training.sseg_batches import PairBatches, SceneBatches
from ovseg_annotate.vocabulary import Vocabulary

CPU = torch.device("cpu")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def recipe(tmp_path: Path) -> SsegRecipe:
    return tiny_recipe(tmp_path)


def scenes(training: SsegTraining, recipe: SsegRecipe) -> SceneBatches:
    return SceneBatches(recipe.pictures, training.network.text.pieces, 0, training.pool_of)


def losses_in(folder: Path) -> list[dict[str, float]]:
    return [dict(each.losses) for each in read_log(folder)]


def test_a_run_that_died_goes_on_with_the_losses_of_one_that_did_not(
    recipe: SsegRecipe, tmp_path: Path
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert recipe.train(whole).ending is Ending.FINISHED
    with pytest.raises(Killed):
        recipe.train(broken, dies_after(5))  # type: ignore[arg-type]
    recipe.train(broken)
    assert len(losses_in(whole)) == FEW_STEPS.steps
    assert losses_in(broken) == losses_in(whole)


def test_what_is_exported_opens_as_an_engine(recipe: SsegRecipe, tmp_path: Path) -> None:
    run, folder = tmp_path / "run", tmp_path / "export"
    recipe = replace(recipe, threshold=0.2)
    recipe.train(run)
    recipe.export(run, folder)
    engine = open_engine(f"sseg@{folder}")
    assert engine.card.threshold == 0.2
    text = engine.encode_text(Vocabulary.parse("red circle; grass"))
    features = engine.encode_image(torch.zeros(1, 3, 32, 32))
    assert engine.score(features, text).values.shape == (1, 2, 8, 8)


def test_a_run_without_a_checkpoint_cannot_be_exported(recipe: SsegRecipe, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no checkpoint"):
        recipe.export(tmp_path / "nothing", tmp_path / "export")


def test_the_same_number_gives_the_same_batch(recipe: SsegRecipe) -> None:
    training = SsegTraining(recipe, CPU)
    one, other = scenes(training, recipe).batch(3), scenes(training, recipe).batch(3)
    assert one.cells is not None
    assert other.cells is not None
    for first, second in ((one.pictures, other.pictures), (one.cells, other.cells)):
        assert torch.equal(first, second)
    assert torch.equal(one.captions, other.captions)


def test_captions_do_not_move_masks_and_masks_do_not_move_words(recipe: SsegRecipe) -> None:
    training = SsegTraining(recipe, CPU)
    losses = training.losses(scenes(training, recipe).batch(0))
    (losses["focal"] + losses["dice"]).backward(retain_graph=True)  # type: ignore[no-untyped-call]
    assert all(value.grad is None for value in training.network.text.parameters())
    training.module.zero_grad()
    losses["contrast"].backward()  # type: ignore[no-untyped-call]
    grown = training.network.decoder.pixels.last.weight.grad
    assert grown is None or float(grown.abs().max()) == 0


def test_the_frozen_tower_is_neither_trained_nor_saved(recipe: SsegRecipe) -> None:
    names = SsegTraining(recipe, CPU).module.state_dict()
    assert not [
        name for name in names if "tower" in name or ("resblocks" in name and "text" not in name)
    ]


def test_fewer_layers_count_without_deep_supervision(recipe: SsegRecipe) -> None:
    deep = SsegTraining(recipe, CPU)
    shallow = SsegTraining(replace(recipe, weights=replace(recipe.weights, deep=False)), CPU)
    batch = scenes(deep, recipe).batch(0)
    assert shallow.losses(batch)["dice"] < deep.losses(batch)["dice"]


@pytest.mark.parametrize("by", ["tower", "colour"])
def test_pseudo_masks_are_numbers_of_clusters_on_the_grid(recipe: SsegRecipe, by: Any) -> None:
    recipe = replace(recipe, pseudo=replace(recipe.pseudo, by=by))
    pool = SsegTraining(recipe, CPU).pool_of(torch.randint(256, (2, 3, 32, 32)).byte())
    assert pool.clusters.shape == (2, 8, 8)
    assert int(pool.clusters.max()) < 4


def dino_file(folder: Path) -> Path:
    path = folder / "dino.safetensors"
    save_file(timm.create_model("test_vit", num_classes=0).state_dict(), path)
    return path


def test_pseudo_masks_of_a_transformer_of_timm(recipe: SsegRecipe, tmp_path: Path) -> None:
    pseudo = replace(recipe.pseudo, by="dino", dino="test_vit", weights=str(dino_file(tmp_path)))
    training = SsegTraining(replace(recipe, pseudo=pseudo), CPU)
    masks = training.pseudo_masks(torch.randint(256, (2, 3, 64, 64)).byte(), Size(16, 16))
    assert masks.shape == (2, 16, 16)


def test_missing_dino_weights_say_where_to_get_them(recipe: SsegRecipe) -> None:
    pseudo = PseudoMasks(by="dino", weights="nowhere.safetensors", clusters=recipe.pseudo.clusters)
    with pytest.raises(WeightsError, match="hf download"):
        SsegTraining(replace(recipe, pseudo=pseudo), CPU)


def test_pairs_from_files_train_a_network_of_timm_from_nothing(
    recipe: SsegRecipe, tmp_path: Path
) -> None:
    for number in range(5):
        colour = (50 * number, 0, 100)
        PillowImage.new("RGB", (40, 48), colour).save(tmp_path / f"{number}.png")
    rows = "\n".join(f"{number}.png,a picture of number {number}" for number in range(5))
    (tmp_path / "pairs.csv").write_text(f"image,caption\n{rows}\n")
    recipe = on_pairs(recipe, tmp_path / "pairs.csv")
    pyramid = PyramidParts(timm="test_vit", side=32)
    recipe = replace(
        recipe,
        parts=replace(recipe.parts, pyramid=pyramid),
        pseudo=replace(recipe.pseudo, by="colour"),
        loop=replace(recipe.loop, steps=2),
    )
    assert recipe.train(tmp_path / "run").step == 2
    recipe.export(tmp_path / "run", tmp_path / "export")
    card = open_engine(f"sseg@{tmp_path / 'export'}").card
    assert (card.window, card.multiple_of, card.stride) == (Size(32, 32), 32, 4)


def test_windows_of_pairs_are_the_same_for_a_number(recipe: SsegRecipe, tmp_path: Path) -> None:
    for number in range(5):
        PillowImage.effect_noise((40, 48), 80.0 + number).convert("RGB").save(
            tmp_path / f"{number}.png"
        )
    rows = "\n".join(f"{number}.png,text {number}" for number in range(5))
    (tmp_path / "pairs.csv").write_text(f"image,caption\n{rows}\n")
    recipe = on_pairs(recipe, tmp_path / "pairs.csv")
    pieces = SsegTraining(recipe, CPU).network.text.pieces
    one, other = (PairBatches(recipe.pictures, pieces, 0).batch(2).pictures for _ in range(2))
    assert torch.equal(one, other)


def test_a_loss_that_is_no_number_stops_the_run_with_its_seeds(
    recipe: SsegRecipe, tmp_path: Path
) -> None:
    wild = replace(recipe, weights=replace(recipe.weights, contrast=float("nan")))
    with pytest.raises(RunError, match="seeds of its batches"):
        wild.train(tmp_path / "run")
    assert (tmp_path / "run" / FAILED_BATCHES_FILE).exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pseudo": {"clusters": {"clusters": 7}}}, "every cluster needs a query"),
        ({"pictures": {"pictures": 1}}, "2 or more"),
        ({"pictures": {"pool": 2}}, "at least the 4"),
        ({"parts": {"pyramid": {"timm": "resnet10t"}}}, "exactly one"),
        ({"parts": {"text": {"heads": 3}}}, "multiple of the 3 heads"),
        ({"parts": {"sizes": {"hidden": 18}}}, "multiple of 4"),
        ({"weights": {"focal": -1}}, "focal"),
    ],
)
def test_recipes_that_cannot_work_are_refused(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    tower = str(write_micro_clip(tmp_path / "tower"))
    content: dict[str, Any] = {
        "parts": {
            "pyramid": {"tower": tower},
            "sizes": {"hidden": 16, "heads": 2, "queries": 6},
            "text": {"width": 16},
        },
        "pictures": {"pictures": 4, "pool": 6, "side": 32},
        "pseudo": {"clusters": {"clusters": 4}},
    }
    for table, values in change.items():
        for key, value in values.items():
            old = content.setdefault(table, {}).get(key)
            content[table][key] = {**old, **value} if isinstance(old, dict) else value
    with pytest.raises(OptionError, match=said):
        read_options(SsegRecipe, content)


@pytest.mark.parametrize("name", ["sseg", "sseg-mini", "sseg-plus", "sseg-plus-mini"])
def test_the_committed_recipes_can_be_read(name: str) -> None:
    read_recipe(ROOT / "recipes" / f"{name}.toml")
