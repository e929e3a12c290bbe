"""Vectors of names moved towards those of descriptions, with the bundled tower."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from descriptions.scripted_model import ScriptedModel, answering, right
from hypothesis import given, settings
from hypothesis import strategies as st
from text.letter_tower import LetterTower
from torch.nn.functional import normalize

from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.backbones.tower import Clip
from ovseg_annotate.backbones.weights import load_clip
from ovseg_annotate.catalog import open_engine
from ovseg_annotate.descriptions.endpoint import BASE_URL, MODEL
from ovseg_annotate.descriptions.options import EnrichOptions
from ovseg_annotate.engines.enriched_text import words_of
from ovseg_annotate.errors import OptionError, VocabularyError
from ovseg_annotate.image import from_array
from ovseg_annotate.refine.options import RefineOptions
from ovseg_annotate.session import open_session
from ovseg_annotate.text.bank import TextBank
from ovseg_annotate.text.encoder import PhraseEncoder, Wording
from ovseg_annotate.text.templates import PLAIN
from ovseg_annotate.vocabulary import Vocabulary

WORDS = Vocabulary.parse("grass; snow: snow, snowy ground; qwxyz; -road")
LEXICON = EnrichOptions(source="lexicon", weight=0.3)


@cache
def clip() -> Clip:
    return load_clip("mini")


@cache
def plain() -> PhraseEncoder:
    return PhraseEncoder(clip().text, Wording(clip().card.weights_digest, PLAIN))


def enriched(options: EnrichOptions, words: Vocabulary = WORDS, **places: object) -> TextBank:
    environment = {name: str(value) for name, value in places.items()}
    return words_of(clip(), options, None, environment)(plain(), words)


class TestMixing:
    def test_the_formula_holds_for_one_description(self) -> None:
        name, said = clip().text.encode(["grass", "grass, green"])
        expected = normalize(0.7 * name + 0.3 * said, dim=0)
        torch.testing.assert_close(enriched(LEXICON).embeddings[0], expected)

    def test_without_weight_or_source_nothing_changes_to_the_bit(self) -> None:
        expected = plain().bank(WORDS).embeddings
        for options in (EnrichOptions(), EnrichOptions(source="lexicon", weight=0)):
            assert torch.equal(enriched(options).embeddings, expected)

    @settings(max_examples=10)
    @given(st.floats(0, 1))
    def test_vectors_have_unit_length_at_every_weight(self, weight: float) -> None:
        vectors = enriched(EnrichOptions(source="lexicon", weight=weight)).embeddings
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(len(vectors)))

    def test_a_name_that_nobody_knows_keeps_its_vector(self) -> None:
        place = WORDS.phrases.index("qwxyz")
        expected = plain().bank(WORDS).embeddings[place]
        assert torch.equal(enriched(LEXICON).embeddings[place], expected)

    def test_every_phrase_of_a_concept_is_described(self) -> None:
        moved = (enriched(LEXICON).embeddings != plain().bank(WORDS).embeddings).any(dim=1)
        assert dict(zip(WORDS.phrases, moved.tolist(), strict=True)) == {
            "grass": True,
            "snow": True,
            "snowy ground": True,
            "qwxyz": False,
            "road": True,
        }

    def test_single_concepts_have_the_weights_of_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "weights.json"
        path.write_text(json.dumps({"weights": {"grass": 0, "snow": 1}}))
        bank = enriched(EnrichOptions(source="lexicon", weight=0.3, weights=str(path)))
        expected = plain().bank(WORDS).embeddings
        assert torch.equal(bank.embeddings[0], expected[0])
        said = clip().text.encode(["snow, white"])[0]
        torch.testing.assert_close(bank.embeddings[1], said)
        torch.testing.assert_close(bank.embeddings[4], enriched(LEXICON).embeddings[4])

    def test_a_persons_description_counts_without_any_lexicon(self, tmp_path: Path) -> None:
        path = tmp_path / "mine.yaml"
        path.write_text("- {name: qwxyz, colour: [red]}")
        bank = enriched(EnrichOptions(file=str(path), weight=1))
        said = clip().text.encode(["qwxyz, red"])[0]
        torch.testing.assert_close(bank.embeddings[WORDS.phrases.index("qwxyz")], said)


class TestTelling:
    def test_equal_runs_tell_the_same_and_others_do_not(self, tmp_path: Path) -> None:
        path = tmp_path / "mine.yaml"
        path.write_text("- {name: grass, colour: [yellow]}")
        told = [
            enriched(options).wording
            for options in (
                LEXICON,
                LEXICON,
                EnrichOptions(source="lexicon", file=str(path)),
                EnrichOptions(source="others"),
            )
        ]
        assert told[0] == told[1]
        assert len(set(told)) == 3
        assert "lexicon-1-" in told[0]

    def test_plain_words_tell_nothing(self) -> None:
        assert enriched(EnrichOptions()).wording == ""

    def test_a_session_tells_it_with_every_picture(self) -> None:
        picture = from_array(torch.zeros(48, 48, 3, dtype=torch.uint8).numpy(), name="black")
        options = AnnotateOptions(contrast="none", refine=RefineOptions(method="none"))
        with open_session(engine_options={"enrich.source": "lexicon"}) as session:
            annotation = session.annotate(picture, Vocabulary.parse("grass; snow"), options)
        assert "descriptions=" in annotation.provenance.options
        assert "source='lexicon'" in annotation.provenance.options


class TestEndpoint:
    @pytest.fixture
    @staticmethod
    def model() -> Iterator[ScriptedModel]:
        with answering(right) as model:
            yield model

    def test_it_is_asked_for_all_phrases_at_once(self, model: ScriptedModel) -> None:
        places = {BASE_URL: model.address, MODEL: "tiny"}
        bank = enriched(EnrichOptions(source="endpoint"), **places)
        assert model.asked == [list(WORDS.phrases)]
        assert bank.warnings == ()
        assert "endpoint-1-tiny" in bank.wording

    def test_one_that_is_not_there_is_told_and_the_lexicon_serves(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as bound:
            port = bound.getsockname()[1]
        places = {BASE_URL: f"http://127.0.0.1:{port}/v1", MODEL: "tiny"}
        bank = enriched(EnrichOptions(source="endpoint", weight=0.3), **places)
        torch.testing.assert_close(bank.embeddings, enriched(LEXICON).embeddings)
        assert "tiny at http://127.0.0.1" in bank.warnings[0]

    def test_without_an_address_the_engine_does_not_open(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv(BASE_URL, raising=False)
        with pytest.raises(OptionError, match=f"need {BASE_URL}"):
            open_engine("naclip@mini", {"enrich.source": "endpoint"})


class TestEngines:
    def test_a_weight_of_nothing_is_the_plain_engine_exactly(self) -> None:
        options = {"enrich.source": "lexicon", "enrich.weight": 0}
        described = open_engine("naclip@mini", options).encode_text(WORDS)
        assert torch.equal(
            described.embeddings, open_engine("naclip@mini").encode_text(WORDS).embeddings
        )

    def test_a_description_too_long_for_clip_names_the_entry(self, tmp_path: Path) -> None:
        phrases = [f"{letter} two three four five six seven eight" for letter in "abcd"]
        looks = dict.fromkeys(("colour", "shape_size", "texture_material"), phrases)
        path = tmp_path / "long.yaml"
        path.write_text(json.dumps([{"name": "grass", **looks}]))
        wide = replace(clip(), card=replace(clip().card, known_words=()), text=LongTower())
        words = words_of(wide, EnrichOptions(file=str(path)), None, {})
        with pytest.raises(VocabularyError, match=r"description of 'grass' makes .* at most 77"):
            words(plain(), WORDS)


class LongTower(LetterTower):
    """Reads as many tokens as CLIP does; a word is one."""

    longest_phrase = 77

    def token_count(self, text: str) -> int:
        return len(text.split()) + 2
