"""S-Seg as an engine: the contract, both ways to combine, and weights that do not fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from backbones.micro import write_micro_clip
from engines.contract import EngineContract
from engines.micro_sseg import write_micro_sseg
from safetensors.torch import load_file, save_file

from ovseg_annotate.backbones.system_folder import CARD_FILE, WEIGHTS_FILE
from ovseg_annotate.catalog import open_engine
from ovseg_annotate.engine import Engine
from ovseg_annotate.engines.request import EngineRequest
from ovseg_annotate.engines.sseg import QueryFeatures, SsegEngine, open_sseg
from ovseg_annotate.errors import ModelError, OptionError, VocabularyError, WeightsError
from ovseg_annotate.vocabulary import Vocabulary

WORDS = Vocabulary.parse("red circle; grass; blue square")


class TestSseg(EngineContract):
    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, tmp_path_factory: pytest.TempPathFactory) -> str:
        return f"sseg@{write_micro_sseg(tmp_path_factory.mktemp('sseg'))}"


class TestSsegOnTheCellsOfItsTower(EngineContract):
    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, tmp_path_factory: pytest.TempPathFactory) -> str:
        return f"sseg@{write_micro_sseg(tmp_path_factory.mktemp('sseg'), fine=0)}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_micro_sseg(tmp_path / "micro")


def opened(folder: Path, **options: object) -> SsegEngine:
    return open_sseg(EngineRequest("sseg", str(folder), options, None, True, None))


def window(engine: Engine) -> torch.Tensor:
    size = engine.card.window
    return torch.randn(1, 3, size.height, size.width, generator=torch.Generator().manual_seed(1))


def changed_card(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    card = json.loads((folder / CARD_FILE).read_text())
    change(card)
    (folder / CARD_FILE).write_text(json.dumps(card))


def test_the_hard_way_gives_each_cell_what_its_strongest_mask_shows(folder: Path) -> None:
    soft, hard = opened(folder), opened(folder, combine="hard")
    features, text = hard.encode_image(window(hard)), hard.encode_text(WORDS)
    values = hard.score(features, text).values
    alone = QueryFeatures(torch.ones_like(features.masks[:, :1]), features.vectors[:, :1])
    first = soft.score(alone, text).values
    strongest = features.masks[0].argmax(dim=0) == 0
    torch.testing.assert_close(values[0][:, strongest], first[0][:, strongest])


def test_masks_and_words_meet_in_the_space_that_was_learnt(folder: Path) -> None:
    engine = opened(folder, scale=1e4)
    text = engine.encode_text(WORDS)
    own = QueryFeatures(torch.ones(1, 1, 2, 2), text.embeddings[1].view(1, 1, -1))
    values = engine.score(own, text).values
    assert (values.argmax(dim=1) == 1).all()
    assert float(values[:, 1].min()) > 0.99


def test_the_threshold_of_the_card_is_that_of_the_weights(folder: Path) -> None:
    changed_card(folder, lambda card: card.update(threshold=0.33))
    assert opened(folder).card.threshold == 0.33


def test_weights_of_another_system_are_refused(folder: Path) -> None:
    changed_card(folder, lambda card: card.update(system="pgseg"))
    with pytest.raises(ModelError, match="pgseg"):
        opened(folder)


def test_weights_of_another_size_are_refused(folder: Path) -> None:
    changed_card(folder, lambda card: card["parts"]["sizes"].update(queries=7))
    with pytest.raises(WeightsError, match="another configuration"):
        opened(folder)


def test_a_card_that_does_not_say_what_it_is_made_of_is_refused(folder: Path) -> None:
    changed_card(folder, lambda card: card["parts"].update(colour="red"))
    with pytest.raises(WeightsError, match="export the system again"):
        opened(folder)


def test_another_tower_than_that_of_the_training_is_refused(folder: Path) -> None:
    write_micro_clip(folder / "tower", seed=5)
    with pytest.raises(WeightsError, match="was trained on the tower"):
        opened(folder)


def test_weights_that_are_no_numbers_are_refused(folder: Path) -> None:
    state = load_file(folder / WEIGHTS_FILE)
    state["logit_scale"] = torch.full_like(state["logit_scale"], torch.nan)
    save_file(state, folder / WEIGHTS_FILE)
    with pytest.raises(WeightsError, match="NaN"):
        opened(folder)


def test_features_of_another_engine_are_refused(folder: Path) -> None:
    engine = opened(folder)
    with pytest.raises(ModelError, match="QueryFeatures"):
        engine.score(torch.zeros(1), engine.encode_text(WORDS))


def test_a_phrase_that_is_too_long_is_refused_not_cut(folder: Path) -> None:
    with pytest.raises(VocabularyError, match="at most 24"):
        opened(folder).encode_text(Vocabulary.parse("red circle " * 20))


@pytest.mark.parametrize("scale", [0.0, -1.0, float("inf")])
def test_a_scale_that_is_no_use_is_refused(folder: Path, scale: float) -> None:
    with pytest.raises(OptionError, match="scale"):
        opened(folder, scale=scale)


def test_an_absent_folder_says_how_to_make_one() -> None:
    with pytest.raises(ModelError, match="ovseg train"):
        open_engine("sseg@nowhere")
