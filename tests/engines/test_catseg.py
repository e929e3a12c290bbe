"""The plain trunk on a micro tower, trained for two steps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from backbones.micro import write_micro_clip
from engines.contract import WORDS, EngineContract
from engines.micro_heads import write_micro_head
from torch import Tensor

from ovseg_annotate.backbones.system_folder import SystemCard, find_system, write_system
from ovseg_annotate.catalog import open_engine, weights_digest
from ovseg_annotate.engines.cost_engine import CostEngine, concept_vectors
from ovseg_annotate.errors import ModelError, OptionError, WeightsError
from ovseg_annotate.vocabulary import Vocabulary


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_micro_head(tmp_path_factory.mktemp("catseg"), "catseg")


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_micro_head(tmp_path_factory.mktemp("tuned"), "catseg", tuning="attention")


def opened(folder: Path, **options: object) -> CostEngine:
    engine = open_engine(f"catseg@{folder}", options, offline=True)
    assert isinstance(engine, CostEngine)
    return engine


def windows(engine: CostEngine, seed: int = 0) -> Tensor:
    size = engine.card.window
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((2, 3, size.height, size.width), generator=generator)


class TestCatSeg(EngineContract):
    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, trained: Path) -> str:
        return f"catseg@{trained}"


def test_probabilities_of_concepts_are_independent(trained: Path) -> None:
    engine = opened(trained)
    scores = engine.score(engine.encode_image(windows(engine)), engine.encode_text(WORDS))
    assert not scores.competing


def test_the_phrases_of_a_concept_are_averaged(trained: Path) -> None:
    text = opened(trained).encode_text(Vocabulary.parse("cat: cat, red; dog"))
    vectors = concept_vectors(text)
    mean = torch.nn.functional.normalize(text.embeddings[:2].mean(dim=0), dim=0)
    torch.testing.assert_close(vectors[0], mean)
    torch.testing.assert_close(vectors[1], text.embeddings[2])


def test_fewer_concepts_can_be_kept_than_in_training(trained: Path) -> None:
    engine = opened(trained, keep=1)
    words = Vocabulary.parse("cat; dog; red")
    scores = engine.score(engine.encode_image(windows(engine)), engine.encode_text(words)).values
    assert ((scores.amax(dim=(2, 3)) > 0).sum(dim=1) == 1).all()  # the others are rejected
    assert engine.card.options != opened(trained).card.options


def test_the_digest_is_known_without_loading(trained: Path) -> None:
    assert weights_digest(f"catseg@{trained}") == opened(trained).card.weights_digest


def test_words_of_a_frozen_tower_are_those_of_the_tower(trained: Path) -> None:
    plain = open_engine(f"naclip@{trained.parent / 'tower'}", offline=True)
    ours = opened(trained).encode_text(WORDS).embeddings
    assert torch.equal(ours, plain.encode_text(WORDS).embeddings)


def test_a_tower_that_was_tuned_along_comes_with_the_head(tuned: Path) -> None:
    plain = open_engine(f"naclip@{tuned.parent / 'tower'}", offline=True)
    ours = opened(tuned).encode_text(WORDS).embeddings
    assert not torch.equal(ours, plain.encode_text(WORDS).embeddings)


def test_weights_of_another_system_are_refused(trained: Path) -> None:
    with pytest.raises(ModelError, match=f"of catseg, not of logoseg; write catseg@{trained}"):
        open_engine(f"logoseg@{trained}", offline=True)


def test_weights_that_are_not_there_are_named_with_the_way_to_make_them(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"ovseg train recipes/catseg-mini\.toml"):
        open_engine(f"catseg@{tmp_path / 'nothing'}", offline=True)


def test_another_tower_under_the_same_name_is_refused(tmp_path: Path) -> None:
    folder = write_micro_head(tmp_path, "catseg")
    write_micro_clip(tmp_path / "tower", seed=1)
    with pytest.raises(WeightsError, match="train it again on this tower"):
        opened(folder)


def test_weights_of_other_sizes_are_refused(trained: Path, tmp_path: Path) -> None:
    card = find_system("catseg", str(trained)).card
    state = {"head.embedding.weight": torch.zeros(9, 1, 7, 7)}
    write_system(tmp_path, card, state)
    with pytest.raises(WeightsError, match=r"embedding\.weight has shape"):
        opened(tmp_path)


def test_weights_that_are_not_finite_are_not_written(tmp_path: Path) -> None:
    card = SystemCard(system="catseg")
    with pytest.raises(WeightsError, match=r"do not fit float16: head\.x"):
        write_system(tmp_path, card, {"head.x": torch.tensor([1e6])})
    assert not (tmp_path / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[1]", "expected a table"),
        ("{", "cannot be read"),
        ('{"system": "catseg", "colour": 1}', "unknown option 'colour'"),
        ('{"system": "catseg", "parts": 3}', "parts: expected a table"),
        ('{"tower": "mini"}', "system"),
    ],
)
def test_a_damaged_card_is_named(trained: Path, tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "model.safetensors").write_bytes((trained / "model.safetensors").read_bytes())
    (tmp_path / "system.json").write_text(content)
    with pytest.raises(WeightsError, match=says):
        opened(tmp_path)


def test_a_part_that_the_recipe_never_had_is_refused(trained: Path, tmp_path: Path) -> None:
    card = json.loads((trained / "system.json").read_text())
    card["parts"]["trunk"]["colour"] = 1
    (tmp_path / "system.json").write_text(json.dumps(card))
    (tmp_path / "model.safetensors").write_bytes((trained / "model.safetensors").read_bytes())
    with pytest.raises(OptionError, match="unknown option 'colour'"):
        opened(tmp_path)
