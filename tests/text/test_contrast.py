from __future__ import annotations

import pytest
import torch

from ovseg_annotate.errors import OptionError
from ovseg_annotate.text.bank import TextBank
from ovseg_annotate.text.contrast import (
    MICROSCOPE,
    PHOTOGRAPH,
    contrast_phrases,
    with_contrast,
    without_echoes,
)
from ovseg_annotate.vocabulary import Vocabulary


def test_nothing_competes_when_nothing_shall() -> None:
    words = Vocabulary.parse("car; road")
    assert with_contrast(words, "None") == words


def test_own_phrases_compete_as_one_negative_concept() -> None:
    words = with_contrast(Vocabulary.parse("car; road"), "sky , wall,")
    assert words.names[:2] == ("car", "road")
    assert words.concepts[2].phrases == ("sky", "wall")
    assert words.concepts[2].negative


def test_a_contrast_of_commas_only_is_refused() -> None:
    with pytest.raises(OptionError, match="names no phrase"):
        with_contrast(Vocabulary.parse("car"), " , ")


def test_photographs_have_the_surroundings_of_photographs() -> None:
    words = with_contrast(Vocabulary.parse("car; dog"), "auto")
    assert words.concepts[-1].phrases == PHOTOGRAPH
    assert words.concepts[-1].negative


@pytest.mark.parametrize(
    "text", ["cell nucleus", "nuclei; debris", "Cells; car", "blob: bacteria, rod"]
)
def test_the_microscope_has_its_own_surroundings(text: str) -> None:
    assert set(contrast_phrases(Vocabulary.parse(text))) <= set(MICROSCOPE)


@pytest.mark.parametrize("text", ["cell phone", "car; dog; yeast", "car; -tissue"])
def test_one_odd_word_does_not_make_a_photograph_a_microscope_picture(text: str) -> None:
    assert "sky" in contrast_phrases(Vocabulary.parse(text))


@pytest.mark.parametrize("text", ["wall", "brick wall", "barrier: wall of stone", "-Walls; car"])
def test_what_is_asked_for_does_not_compete_with_itself(text: str) -> None:
    phrases = contrast_phrases(Vocabulary.parse(text))
    assert "wall" not in phrases
    assert "sky" in phrases


def test_a_tower_of_few_words_competes_with_those_only() -> None:
    known = ("red", "car", "sky", "background", "snow")
    assert contrast_phrases(Vocabulary.parse("red car"), known) == ("background", "sky", "snow")


def test_a_tower_that_knows_no_surroundings_gets_none() -> None:
    words = Vocabulary.parse("red car")
    assert with_contrast(words, "auto", ("red", "car")) == words


@pytest.mark.parametrize(
    "text", ["grass", "car; -snow", "red circle; brick wall", "-background; cell"]
)
def test_general_words_do_not_compete_with_an_exact_ground(text: str) -> None:
    phrases = contrast_phrases(Vocabulary.parse(text))
    assert not {"background", "ground", "floor"} & set(phrases)
    assert phrases


def test_contrast_that_means_what_was_asked_for_is_left_out() -> None:
    asked = Vocabulary.parse("brick; car")
    vectors = {"brick": 0.0, "car": 1.5, "wall": 0.2, "sky": 2.5}  # angles
    competing = asked.with_competitors(["wall", "sky"])
    angles = torch.tensor([vectors[phrase] for phrase in competing.phrases])
    bank = TextBank(competing, torch.stack([angles.cos(), angles.sin()], dim=1))
    assert without_echoes(asked, bank) == asked.with_competitors(["sky"])
