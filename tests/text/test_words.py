from __future__ import annotations

import pytest

from ovseg_annotate.text.words import is_known, stem, unknown_words, words_of
from ovseg_annotate.vocabulary import Vocabulary

KNOWN = ("red", "cell nucleus", "circle", "butterfly", "grass")


def test_words_are_compared_in_lower_case_without_the_small_ones() -> None:
    assert words_of("A Photo of the RED-brown Cell_wall!") == (
        "photo",
        "red",
        "brown",
        "cell",
        "wall",
    )


@pytest.mark.parametrize(
    ("plural", "singular"),
    [
        ("cells", "cell"),
        ("butterflies", "butterfly"),
        ("boxes", "box"),
        ("branches", "branch"),
        ("glasses", "glass"),
        ("houses", "house"),
        ("grass", "grass"),
        ("nucleus", "nucleus"),
        ("mitosis", "mitosis"),
        ("bus", "bus"),
        ("sky", "sky"),
    ],
)
def test_a_plural_has_the_stem_of_its_singular(plural: str, singular: str) -> None:
    assert stem(plural) == stem(singular)


def test_unknown_words_come_once_with_those_that_look_like_them() -> None:
    words = Vocabulary.parse("circles; red cirlce: red cirlce, big cirlce; -zebra")
    first, second, third = unknown_words(words, KNOWN)
    assert (first.word, first.phrase, first.nearest) == ("cirlce", "red cirlce", ("circle",))
    assert second.word == "big"
    assert (third.word, third.nearest) == ("zebra", ())


def test_a_tower_of_an_open_vocabulary_knows_any_word() -> None:
    assert unknown_words(Vocabulary.parse("zebra"), ()) == ()
    assert is_known("zebra", ())


def test_a_phrase_is_known_when_all_its_words_are() -> None:
    assert is_known("the nuclei of a cell", (*KNOWN, "nuclei"))
    assert is_known("red butterflies", KNOWN)
    assert not is_known("red zebra", KNOWN)
