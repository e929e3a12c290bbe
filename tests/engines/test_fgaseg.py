"""The engine on a micro tower, trained for a step or two: form, switches and mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from backbones.micro import write_micro_clip
from engines.contract import WORDS, EngineContract
from engines.micro_heads import TRUNK
from torch import Tensor

from ovseg_annotate.backbones.checkpoints import read_state
from ovseg_annotate.backbones.system_folder import SystemCard, find_system, write_system
from ovseg_annotate.backbones.weights import load_clip
from ovseg_annotate.cost.fgaseg_head import FgasegHead
from ovseg_annotate.cost.fgaseg_options import FgasegOptions
from ovseg_annotate.datasets.scenes import draw_scene
from ovseg_annotate.datasets.scenes.scene import SceneRules, SceneStyle, semantic_map
from ovseg_annotate.engines.catseg import make_catseg
from ovseg_annotate.engines.cost_engine import CostEngine
from ovseg_annotate.engines.fgaseg import make_fgaseg, open_fgaseg
from ovseg_annotate.engines.request import EngineRequest
from ovseg_annotate.errors import ModelError, OptionError, WeightsError
from ovseg_annotate.geometry import Size
from ovseg_annotate.options import read_options
from ovseg_annotate.training.heads import HeadRecipe, begin_with
from ovseg_annotate.training.recipes import read_recipe
from ovseg_annotate.vocabulary import Concept, Vocabulary

RECIPES = Path(__file__).parents[2] / "recipes"
PARTS = {"text_heads": 4, "auxiliary": True, **TRUNK}


def write_fgaseg(folder: Path, steps: int = 2, tuning: str = "frozen") -> Path:
    """What a short training on the micro tower exports."""
    recipe = read_options(
        HeadRecipe,
        {
            "system": "fgaseg",
            "tower": str(write_micro_clip(folder / "tower")),
            "tuning": tuning,
            "parts": PARTS,
            "pictures": {"windows": 2, "fewest_phrases": 3, "most_phrases": 3},
            "loop": {"steps": steps, "precision": "fp32", "ema_decay": 0.5},
        },
    )
    recipe.train(folder / "run")
    recipe.export(folder / "run", folder / "system")
    return folder / "system"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_fgaseg(tmp_path_factory.mktemp("fgaseg"))


def opened(folder: Path, **options: object) -> CostEngine:
    return open_fgaseg(EngineRequest("fgaseg", str(folder), options, None, True, None))


def windows() -> Tensor:
    return torch.randn((2, 3, 32, 40), generator=torch.Generator().manual_seed(0))


class TestContract(EngineContract):
    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, trained: Path) -> str:
        return f"fgaseg@{trained}"


def test_the_part_that_only_training_needs_is_not_exported(trained: Path) -> None:
    engine = opened(trained)
    assert isinstance(engine.head, FgasegHead)
    assert engine.head.align is None
    assert engine.head.auxiliary is not None
    names = read_state(trained / "model.safetensors")
    assert not [name for name in names if ".align." in name]


def test_words_are_kept_as_the_tower_gives_them(trained: Path) -> None:
    bank = opened(trained).encode_text(WORDS)
    tower = load_clip(str(trained.parent / "tower"), offline=True)
    expected = tower.text.encode([phrase for concept in WORDS for phrase in concept.phrases])
    torch.testing.assert_close(bank.embeddings, expected)


def test_the_fast_way_is_a_switch_of_trained_weights(trained: Path) -> None:
    slow, fast = opened(trained), opened(trained, fast_top=1)
    scores = [
        engine.score(engine.encode_image(windows()), engine.encode_text(WORDS)).values
        for engine in (slow, fast)
    ]
    assert (scores[1] == 0).all(dim=(2, 3)).any()
    assert not (scores[0] == 0).any()
    assert slow.card.options != fast.card.options


def test_the_fast_way_needs_heads_of_its_own(tmp_path: Path, trained: Path) -> None:
    card = json.loads((trained / "system.json").read_text())
    card["parts"]["auxiliary"] = False
    (tmp_path / "system.json").write_text(json.dumps(card))
    (tmp_path / "model.safetensors").write_bytes((trained / "model.safetensors").read_bytes())
    with pytest.raises(OptionError, match="without auxiliary heads"):
        opened(tmp_path, fast_top=4)
    with pytest.raises(WeightsError, match="no place for 6 tensors"):
        opened(tmp_path)


def test_weights_of_another_engine_are_refused(tmp_path: Path, trained: Path) -> None:
    card = json.loads((trained / "system.json").read_text())
    (tmp_path / "system.json").write_text(json.dumps({**card, "system": "catseg"}))
    (tmp_path / "model.safetensors").write_bytes((trained / "model.safetensors").read_bytes())
    with pytest.raises(ModelError, match="are of catseg, not of fgaseg"):
        opened(tmp_path)


def test_weights_for_another_tower_are_refused(trained: Path, tmp_path: Path) -> None:
    card = json.loads((trained / "system.json").read_text())
    other = write_micro_clip(tmp_path / "other", seed=1)
    (tmp_path / "system.json").write_text(json.dumps({**card, "tower": str(other)}))
    (tmp_path / "model.safetensors").write_bytes((trained / "model.safetensors").read_bytes())
    with pytest.raises(WeightsError, match="was trained on the tower"):
        opened(tmp_path)


def test_it_begins_with_a_trained_trunk_where_the_recipe_says_so(tmp_path: Path) -> None:
    tower = load_clip(str(write_micro_clip(tmp_path / "tower")), offline=True)
    parts = {name: PARTS[name] for name in ("sizes", "trunk")}
    trunk = make_catseg(tower, parts)
    state = {f"head.{name}": value for name, value in trunk.head.state_dict().items()}
    card = SystemCard("catseg", "micro", tower.card.weights_digest, parts)
    write_system(tmp_path / "trunk", card, state)
    system = make_fgaseg(tower, PARTS)
    assert isinstance(system.head, FgasegHead)
    with torch.no_grad():
        for weights in system.head.trunk.parameters():
            weights.zero_()
    begin_with(system, find_system("catseg", str(tmp_path / "trunk")))
    for name, value in system.head.trunk.state_dict().items():
        torch.testing.assert_close(value, trunk.head.state_dict()[name], atol=1e-3, rtol=1e-3)


def test_a_tuned_tower_travels_with_the_head(tmp_path: Path) -> None:
    folder = write_fgaseg(tmp_path, steps=1, tuning="attention")
    halves = {name.split(".")[0] for name in read_state(folder / "model.safetensors")}
    assert halves == {"head", "image", "text"}
    assert opened(folder).encode_text(WORDS).embeddings.shape == (5, 32)


def test_an_unknown_part_is_answered_with_those_there_are(trained: Path) -> None:
    clip = load_clip(str(trained.parent / "tower"), offline=True)
    with pytest.raises(OptionError, match=r"unknown option 'local_size'.*there is: local_side"):
        make_fgaseg(clip, {"local_size": 3})


@pytest.mark.parametrize("name", ["fgaseg.toml", "fgaseg-mini.toml"])
def test_the_recipes_can_be_read(name: str) -> None:
    recipe = read_recipe(RECIPES / name)
    assert isinstance(recipe, HeadRecipe)
    assert recipe.system == "fgaseg"
    assert FgasegHead(read_options(FgasegOptions, recipe.parts)).align is not None


def test_the_bundled_weights_find_what_a_scene_shows() -> None:
    scene = draw_scene(SceneRules(style=SceneStyle.EASY, size=Size(96, 96)), 3)
    names = tuple(dict.fromkeys(region.name for region in scene.regions))
    engine = open_fgaseg(EngineRequest("fgaseg", "mini", {}, None, True, None))
    card = engine.card
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (card.mean, card.std))
    pixels = (torch.from_numpy(scene.pixels).permute(2, 0, 1) / 255 - mean) / std
    vocabulary = Vocabulary(tuple(Concept(name) for name in names))
    scores = engine.score(engine.encode_image(pixels[None]), engine.encode_text(vocabulary))
    said = scores.values[0].argmax(dim=0).repeat_interleave(2, 0).repeat_interleave(2, 1)
    truth = torch.from_numpy(semantic_map(scene, names).astype("int64")) - 1
    assert (said == truth).float().mean() > 0.9
