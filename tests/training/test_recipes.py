"""Every committed recipe is one that `ovseg train` understands."""

from __future__ import annotations

from pathlib import Path

import pytest

from ovseg_annotate.training.heads import HeadRecipe
from ovseg_annotate.training.recipes import SYSTEMS, read_recipe

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_committed_recipe_can_be_read(path: Path) -> None:
    assert read_recipe(path)


@pytest.mark.parametrize("system", ["catseg", "logoseg", "fgaseg", "lmseg", "pgseg", "sseg"])
def test_every_system_has_a_recipe_for_the_bundled_tower_and_one_for_real_pictures(
    system: str,
) -> None:
    assert {f"{system}-mini", system} <= {path.stem for path in RECIPES}
    assert system in SYSTEMS


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_head_on_a_real_tower_learns_from_photographs(path: Path) -> None:
    recipe = read_recipe(path)
    if isinstance(recipe, HeadRecipe) and recipe.tower != "mini":
        assert recipe.data is not None
        assert recipe.window == 384
