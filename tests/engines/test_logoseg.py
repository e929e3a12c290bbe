"""LoGoSeg on a micro tower, trained for two steps."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from engines.contract import WORDS, EngineContract
from engines.micro_heads import TRUNK, write_micro_head

from ovseg_annotate.catalog import open_engine
from ovseg_annotate.errors import OptionError
from ovseg_annotate.training.recipes import read_recipe

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    parts = {**TRUNK, "logoseg": {"existence": {"first_strength": 0.5}, "region_grids": [2]}}
    return write_micro_head(tmp_path_factory.mktemp("logoseg"), "logoseg", parts=parts)


class TestLoGoSeg(EngineContract):
    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, trained: Path) -> str:
        return f"logoseg@{trained}"


@pytest.mark.parametrize("mode", ["off", "hard"])
def test_the_prior_can_run_otherwise_than_it_was_trained(trained: Path, mode: str) -> None:
    as_trained = open_engine(f"logoseg@{trained}", offline=True)
    changed = open_engine(f"logoseg@{trained}", {"existence": mode}, offline=True)
    size = as_trained.card.window
    windows = torch.randn(
        (1, 3, size.height, size.width), generator=torch.Generator().manual_seed(0)
    )
    answers = [
        engine.score(engine.encode_image(windows), engine.encode_text(WORDS)).values
        for engine in (as_trained, changed)
    ]
    assert not torch.equal(*answers)
    assert "existence" in changed.card.options


def test_a_prior_that_was_not_trained_cannot_be_switched_on(tmp_path: Path) -> None:
    parts = {**TRUNK, "logoseg": {"existence": {"mode": "off"}}}
    folder = write_micro_head(tmp_path, "logoseg", parts=parts)
    assert open_engine(f"logoseg@{folder}", {"existence": "off"}, offline=True)
    with pytest.raises(OptionError, match="trained without the prior"):
        open_engine(f"logoseg@{folder}", {"existence": "soft"}, offline=True)


@pytest.mark.parametrize("name", ["catseg", "catseg-mini", "logoseg", "logoseg-mini"])
def test_the_committed_recipes_can_be_read(name: str) -> None:
    assert read_recipe(RECIPES / f"{name}.toml")
