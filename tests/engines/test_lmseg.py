"""The engine on a micro tower and a micro guide, trained for two steps."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from backbones.micro import write_micro_clip
from engines.contract import WORDS, EngineContract
from engines.micro_heads import TRUNK
from torch import Tensor

from ovseg_annotate.backbones.guides import GuideSizes, load_guide, small_guide
from ovseg_annotate.backbones.system_folder import SystemCard, find_system, write_system
from ovseg_annotate.backbones.weights import load_clip
from ovseg_annotate.cost.fusion import FusedTrunk, GuidedFeatures
from ovseg_annotate.engines.catseg import make_catseg
from ovseg_annotate.engines.cost_engine import CostEngine
from ovseg_annotate.engines.lmseg import make_lmseg, open_lmseg
from ovseg_annotate.engines.request import EngineRequest
from ovseg_annotate.errors import ModelError, OptionError, WeightsError
from ovseg_annotate.options import read_options
from ovseg_annotate.training.heads import HeadRecipe, begin_with
from ovseg_annotate.training.recipes import read_recipe

RECIPES = Path(__file__).parents[2] / "recipes"
SMALL = GuideSizes(widths=(4, 6, 8), blocks=(1, 1, 1), out=6)


def write_guide(folder: Path, seed: int = 0) -> Path:
    card = SystemCard(system="guide", parts=asdict(SMALL))
    write_system(folder, card, small_guide(SMALL, seed).state_dict())
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a short training on the micro tower exports."""
    folder = tmp_path_factory.mktemp("lmseg")
    recipe = read_options(
        HeadRecipe,
        {
            "system": "lmseg",
            "tower": str(write_micro_clip(folder / "tower")),
            "parts": {**TRUNK, "guide": str(write_guide(folder / "guide"))},
            "pictures": {"windows": 2, "fewest_phrases": 3, "most_phrases": 3},
            "loop": {"steps": 2, "precision": "fp32", "ema_decay": 0.5},
        },
    )
    recipe.train(folder / "run")
    recipe.export(folder / "run", folder / "system")
    return folder / "system"


def opened(folder: Path, **options: object) -> CostEngine:
    return open_lmseg(EngineRequest("lmseg", str(folder), options, None, True, None))


def windows() -> Tensor:
    return torch.randn((2, 3, 32, 40), generator=torch.Generator().manual_seed(0))


class TestContract(EngineContract):
    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, trained: Path) -> str:
        return f"lmseg@{trained}"


class TestGuide:
    def test_features_hold_the_guides_cells_on_the_same_grid(self, trained: Path) -> None:
        seen = opened(trained).encode_image(windows())
        assert isinstance(seen, GuidedFeatures)
        assert seen.guide.shape == (2, 6, 4, 5)
        assert seen.guide.shape[2:] == seen.cells.shape[2:]

    def test_another_guide_than_that_of_the_training_is_refused(
        self, trained: Path, tmp_path: Path
    ) -> None:
        card = json.loads((trained / "system.json").read_text())
        card["parts"]["guide"] = str(write_guide(tmp_path / "guide", seed=5))
        (tmp_path / "system.json").write_text(json.dumps(card))
        shutil.copy(trained / "model.safetensors", tmp_path)
        with pytest.raises(
            WeightsError, match=r"was trained with the guide .* bring that one back"
        ):
            opened(tmp_path)

    def test_a_guide_that_is_not_there_is_named(self, trained: Path, tmp_path: Path) -> None:
        card = json.loads((trained / "system.json").read_text())
        card["parts"]["guide"] = "nowhere"
        (tmp_path / "system.json").write_text(json.dumps(card))
        shutil.copy(trained / "model.safetensors", tmp_path)
        with pytest.raises(ModelError, match="unknown guide 'nowhere'"):
            opened(tmp_path)


class TestTrunk:
    def test_with_the_weight_at_one_it_is_the_plain_trunk(self, tmp_path: Path) -> None:
        tower = str(write_micro_clip(tmp_path / "tower"))
        guide = str(write_guide(tmp_path / "guide"))
        plain = make_catseg(load_clip(tower), TRUNK)
        card = SystemCard(
            system="catseg",
            tower=tower,
            tower_digest=plain.clip.card.weights_digest,
            parts=plain.parts,
        )
        write_system(
            tmp_path / "trunk",
            card,
            {f"head.{name}": weights for name, weights in plain.head.state_dict().items()},
        )
        system = make_lmseg(load_clip(tower), {**TRUNK, "guide": guide, "fusion": {"fixed": 1.0}})
        assert isinstance(system.head, FusedTrunk)
        begin_with(system, find_system("catseg", str(tmp_path / "trunk")))
        begin_with(plain, find_system("catseg", str(tmp_path / "trunk")))
        text = torch.randn(1, 3, 1, 32, generator=torch.Generator().manual_seed(1))
        plain.head.eval()
        system.head.eval()
        with torch.no_grad():
            expected = plain.head(plain.see(windows()), text)
            assert torch.equal(system.head(system.see(windows()), text), expected)


class TestWords:
    def test_a_weight_of_nothing_gives_the_plain_vectors_exactly(self, trained: Path) -> None:
        plain = opened(trained).encode_text(WORDS)
        options = {"enrich.source": "lexicon", "enrich.weight": 0}
        assert torch.equal(
            opened(trained, **options).encode_text(WORDS).embeddings, plain.embeddings
        )

    def test_how_words_are_described_stands_in_the_card(self, trained: Path) -> None:
        card = opened(trained, **{"enrich.source": "lexicon"}).card
        assert "source='lexicon'" in card.options
        assert opened(trained).card.options != card.options

    def test_an_option_that_does_not_exist_is_refused(self, trained: Path) -> None:
        with pytest.raises(OptionError, match="unknown option 'wait' for EnrichOptions"):
            opened(trained, **{"enrich.wait": 1})


class TestRecipes:
    def test_the_recipe_of_the_bundled_head_reads(self) -> None:
        recipe = read_recipe(RECIPES / "lmseg-mini.toml")
        assert isinstance(recipe, HeadRecipe)
        system = make_lmseg(load_clip(recipe.tower), recipe.parts)
        assert isinstance(system.head, FusedTrunk)
        assert system.parts["guide_digest"] == load_guide("mini/lmseg").digest

    def test_the_recipe_of_the_paper_reads(self) -> None:
        recipe = read_recipe(RECIPES / "lmseg.toml")
        assert isinstance(recipe, HeadRecipe)
        assert (recipe.tuning, recipe.loop.steps) == ("attention", 80_000)
