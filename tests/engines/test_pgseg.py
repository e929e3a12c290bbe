from __future__ import annotations

from pathlib import Path

import pytest
import torch
from engines.contract import WORDS, EngineContract
from grouping.pgseg_fixtures import (
    TINY,
    published_checkpoint,
    write_checkpoint,
    write_tiny_system,
)

from ovseg_annotate.backbones.group_weights import PgsegParts
from ovseg_annotate.engine import Engine
from ovseg_annotate.engines.pgseg import GroupFeatures, PgsegEngine, open_pgseg
from ovseg_annotate.engines.request import EngineRequest
from ovseg_annotate.errors import ModelError, OptionError, VocabularyError, WeightsError
from ovseg_annotate.vocabulary import Vocabulary


def opened(weights: Path | str, **options: object) -> PgsegEngine:
    return open_pgseg(EngineRequest("pgseg", str(weights), options, None, True, None))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_system(tmp_path_factory.mktemp("pgseg"))


class TestPgseg(EngineContract):
    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, folder: Path) -> str:
        return f"pgseg@{folder}"

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls, folder: Path) -> Engine:
        return opened(folder)

    def test_an_unknown_option_is_refused(self, model: str) -> None:
        with pytest.raises(OptionError, match="unknown option"):
            opened(model.partition("@")[2], no_such_option=1)


def features() -> GroupFeatures:
    generator = torch.Generator().manual_seed(0)

    def unit(*shape: int) -> torch.Tensor:
        return torch.nn.functional.normalize(torch.randn(shape, generator=generator), dim=-1)

    shares = torch.rand(1, 4, 3, 5, generator=generator)
    return GroupFeatures(unit(1, 4, TINY.shared), unit(1, TINY.shared), shares.softmax(dim=1))


def test_no_more_concepts_than_allowed_share_a_window(folder: Path) -> None:
    words = Vocabulary.parse("cat; dog; bird; tree; car; house; river")
    engine = opened(folder, top_concepts=3)
    values = engine.score(features(), engine.encode_text(words)).values
    assert int((values > 0).any(dim=3).any(dim=2).sum()) <= 3
    everyone = opened(folder, top_concepts=0)
    assert bool((everyone.score(features(), everyone.encode_text(words)).values > 0).all())


def test_a_place_has_the_scores_of_one_group_or_of_a_mixture(folder: Path) -> None:
    hard, soft = opened(folder), opened(folder, assign="soft")
    text = hard.encode_text(WORDS)
    one = hard.score(features(), text).values[0].flatten(1).T
    mixed = soft.score(features(), text).values[0].flatten(1).T
    assert len(one.unique(dim=0)) <= 4 < len(mixed.unique(dim=0))


def test_a_synonym_takes_nothing_from_its_own_concept(folder: Path) -> None:
    engine = opened(folder)
    alone = engine.score(features(), engine.encode_text(Vocabulary.parse("cat; dog")))
    twice = engine.score(features(), engine.encode_text(Vocabulary.parse("cat: cat, cat cat; dog")))
    assert bool((twice.values[:, 0] >= alone.values[:, 0] - 1e-6).all())


def test_words_are_kept_under_the_weights_that_read_them(tmp_path: Path) -> None:
    first = write_tiny_system(tmp_path / "first")
    other = PgsegParts(sizes=TINY, window=32, short_side=None, template="a photo of a {}.")
    second = write_tiny_system(tmp_path / "second", other)
    vectors = [
        open_pgseg(EngineRequest("pgseg", str(each), {}, tmp_path / "words", True, None))
        .encode_text(WORDS)
        .embeddings
        for each in (first, second)
    ]
    assert not torch.allclose(*vectors)


def test_the_authors_checkpoint_opens_by_its_file(tmp_path: Path) -> None:
    state = published_checkpoint()
    state["text_encoder.token_embedding.weight"] = torch.randn(49_408, 8)
    # Heads are 64 wide in the published networks: this one has a single head.
    engine = opened(write_checkpoint(tmp_path / "pgseg.pth", state))
    assert engine.card.window.height == engine.card.short_side == 192
    values = engine.score(
        engine.encode_image(torch.randn(1, 3, 192, 192)), engine.encode_text(WORDS)
    )
    assert values.values.shape == (1, len(WORDS), 48, 48)


def test_weights_of_another_system_are_refused(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(ModelError, match=r"of pgseg, not of sseg.*pgseg@"):
        open_pgseg(EngineRequest("sseg", str(folder), {}, None, True, None))
    with pytest.raises(ModelError, match="no trained weights"):
        opened(tmp_path / "nowhere")


def test_weights_of_another_size_are_refused(tmp_path: Path) -> None:
    folder = write_tiny_system(tmp_path)
    card = (folder / "system.json").read_text()
    (folder / "system.json").write_text(card.replace('"width": 16', '"width": 24'))
    with pytest.raises(WeightsError, match="another configuration"):
        opened(folder)
    (folder / "system.json").write_text(card.replace('"width": 16', '"width": 0'))
    with pytest.raises(WeightsError, match="1 or more"):
        opened(folder)


def test_features_of_another_engine_are_refused(folder: Path) -> None:
    engine = opened(folder)
    with pytest.raises(ModelError, match="GroupFeatures, got Tensor"):
        engine.score(torch.zeros(1), engine.encode_text(WORDS))


def test_a_phrase_that_is_too_long_is_refused(folder: Path) -> None:
    with pytest.raises(VocabularyError, match="reads at most 20"):
        opened(folder).encode_text(Vocabulary.parse("cat " * 30))


def test_fewer_than_no_concepts_are_refused(folder: Path) -> None:
    with pytest.raises(OptionError, match="0 or more"):
        opened(folder, top_concepts=-1)
