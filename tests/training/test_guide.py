"""Training of the small guide."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ovseg_annotate.backbones.guides import GuideSizes, load_guide
from ovseg_annotate.errors import OptionError, RunError
from ovseg_annotate.training.guide import (
    GuidePictures,
    GuideRecipe,
    GuideTraining,
    GuideWindows,
    RegionWindows,
)
from ovseg_annotate.training.options import LoopOptions
from ovseg_annotate.training.recipes import read_recipe

SMALL = GuideRecipe(
    sizes=GuideSizes(widths=(4, 6, 8), blocks=(1, 1, 1), out=8),
    pictures=GuidePictures(windows=2, side=48),
    loop=LoopOptions(steps=2, precision="fp32", ema_decay=0.5),
)
CPU = torch.device("cpu")


def halves() -> RegionWindows:
    """Black on the left, white on the right, a region each."""
    images = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
    images[..., 32:] = 255
    regions = torch.zeros(2, 64, 64, dtype=torch.int64)
    regions[..., 32:] = 1
    return RegionWindows(images, regions)


def test_a_batch_is_the_same_whenever_it_is_drawn() -> None:
    one, again = (GuideWindows(SMALL.pictures, 3).batch(5) for _ in range(2))
    assert torch.equal(one.images, again.images)
    assert torch.equal(one.regions, again.regions)
    other = GuideWindows(SMALL.pictures, 3).batch(6)
    assert not torch.equal(one.images, other.images)


def test_regions_are_numbered_from_nothing_in_each_window() -> None:
    batch = GuideWindows(SMALL.pictures, 3).batch(0)
    assert batch.images.shape == (2, 3, 48, 48)
    for regions in batch.regions:
        assert regions.unique().tolist() == list(range(int(regions.max()) + 1))


def test_it_learns_to_tell_two_halves_apart() -> None:
    training = GuideTraining(SMALL.sizes, 0, CPU)
    optimiser = torch.optim.AdamW(training.module.parameters(), 0.02)
    before = float(training.losses(halves())["pairs"].detach())
    for _ in range(25):
        optimiser.zero_grad()
        training.losses(halves())["pairs"].backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    assert float(training.losses(halves())["pairs"].detach()) < before / 2
    assert training.score(halves()) > 0.9


def test_what_is_exported_opens_as_a_guide(tmp_path: Path) -> None:
    SMALL.train(tmp_path / "run")
    SMALL.export(tmp_path / "run", tmp_path / "guide")
    guide = load_guide(str(tmp_path / "guide"))
    assert (guide.width, guide.stride) == (8, 8)


def test_nothing_to_export_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no checkpoint"):
        SMALL.export(tmp_path, tmp_path / "guide")


def test_the_recipe_of_the_bundled_guide_reads() -> None:
    recipe = read_recipe(Path(__file__).parents[2] / "recipes" / "lmseg-guide-mini.toml")
    assert isinstance(recipe, GuideRecipe)
    assert recipe.sizes == GuideSizes()


def test_pictures_too_small_to_learn_from_are_refused() -> None:
    with pytest.raises(OptionError, match="allowed: 1 or more, 32 or more"):
        replace(SMALL.pictures, side=8)
