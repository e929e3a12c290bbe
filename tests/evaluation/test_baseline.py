from __future__ import annotations

import numpy as np

from ovseg_annotate.evaluation.baseline import nearest_colour
from ovseg_annotate.vocabulary import Vocabulary


def halves(left: tuple[int, int, int], right: tuple[int, int, int]) -> np.ndarray:
    return np.array([[left, left, right, right]] * 3, np.uint8)


def test_pixels_go_to_the_word_of_their_colour() -> None:
    words = Vocabulary.parse("blue background; red star; grass")
    found = nearest_colour(halves((230, 20, 20), (30, 60, 210)), words)
    assert found is not None
    assert found.tolist() == [[2, 2, 1, 1]] * 3


def test_of_two_words_of_one_colour_the_first_wins() -> None:
    words = Vocabulary.parse("red star; red circle; blue background")
    found = nearest_colour(halves((230, 20, 20), (30, 60, 210)), words)
    assert found is not None
    assert set(found[:, :2].ravel().tolist()) == {1}


def test_a_ground_of_two_words_has_its_own_colour() -> None:
    words = Vocabulary.parse("red star; dark background; bright field")
    found = nearest_colour(halves((10, 10, 12), (230, 230, 228)), words)
    assert found is not None
    assert found[0].tolist() == [2, 2, 3, 3]


def test_words_without_a_colour_and_negative_ones_are_never_chosen() -> None:
    words = Vocabulary.parse("nucleus; -red background; blue star")
    found = nearest_colour(halves((230, 20, 20), (30, 60, 210)), words)
    assert found is not None
    assert set(found.ravel().tolist()) == {3}


def test_without_any_colour_there_is_no_rule() -> None:
    assert nearest_colour(halves((0, 0, 0), (9, 9, 9)), Vocabulary.parse("nucleus; cell")) is None
