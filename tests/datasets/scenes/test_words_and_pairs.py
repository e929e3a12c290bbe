from __future__ import annotations

import numpy as np
import pytest

from ovseg_annotate.datasets.scenes.pairs import (
    COLOUR_NAMES,
    SHAPE_NAMES,
    draw_pair,
    is_unseen,
)
from ovseg_annotate.datasets.scenes.shapes import SHAPES_DRAWN
from ovseg_annotate.datasets.scenes.words import (
    COLOURS,
    MATERIALS,
    SHAPES,
    WORDS,
    all_phrases,
    word_named,
)
from ovseg_annotate.errors import VocabularyError


def test_the_world_is_as_rich_as_promised() -> None:
    assert len(COLOURS) >= 12
    assert len(SHAPES) >= 30
    assert len(MATERIALS) >= 9


def test_no_text_belongs_to_two_words() -> None:
    said = [phrase for word in WORDS for phrase in word.phrases]
    assert len(said) == len(set(said))
    assert set(all_phrases()) == set(said)


def test_every_word_has_one_to_four_synonyms() -> None:
    assert all(1 <= len(word.synonyms) <= 4 for word in WORDS)
    assert "cell nucleus" in word_named("nucleus").synonyms


def test_every_shape_word_can_be_drawn() -> None:
    assert set(SHAPES_DRAWN) == set(SHAPE_NAMES)


def test_an_unknown_word_is_answered_with_the_nearest() -> None:
    with pytest.raises(VocabularyError, match="crescent"):
        word_named("cresent")
    with pytest.raises(VocabularyError, match="there is: red"):
        is_unseen("reddish", "circle")


def test_about_a_sixth_of_the_pairs_is_unseen() -> None:
    unseen = sum(is_unseen(c, s) for c in COLOUR_NAMES for s in SHAPE_NAMES)
    assert 0.15 < unseen / (len(COLOUR_NAMES) * len(SHAPE_NAMES)) < 0.18


def test_every_colour_and_every_shape_is_mostly_seen() -> None:
    for colour in COLOUR_NAMES:
        assert 0 < sum(is_unseen(colour, shape) for shape in SHAPE_NAMES) <= len(SHAPE_NAMES) / 4
    for shape in SHAPE_NAMES:
        assert 0 < sum(is_unseen(colour, shape) for colour in COLOUR_NAMES) <= 3


def test_the_unseen_pairs_never_change() -> None:
    """A model is judged on pairs that its training never showed: moving one spoils the figure."""
    assert [colour for colour in COLOUR_NAMES if is_unseen(colour, "circle")] == ["red", "purple"]
    assert [colour for colour in COLOUR_NAMES if is_unseen(colour, "apple")] == ["green", "black"]


def test_no_pair_is_found_where_none_is_allowed(rng: np.random.Generator) -> None:
    assert not is_unseen("blue", "circle")
    assert draw_pair(rng, "unseen", ["blue"], ["circle"]) is None
    assert draw_pair(rng, "seen", ["blue"], ["circle"]) == ("blue", "circle")
