"""What a correction says of the cells of windows."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ovseg_annotate.evaluation.effort import Effort
from ovseg_annotate.fine_tuning.known import NONE, UNKNOWN, Known
from ovseg_annotate.geometry import Size
from ovseg_annotate.learning_loop.corrections import Correction, Stated
from ovseg_annotate.lessons.lesson import NOTHING
from ovseg_annotate.regions import Mask
from ovseg_annotate.tiling import plan_windows
from ovseg_annotate.vocabulary import Vocabulary

WORDS = Vocabulary.parse("Cat; dog; -sky")
SIZE = Size(height=40, width=64)
# Enlarged twice, in windows of 32 px with cells of 4 px: a cell is 2 px of the picture.
PLAN = plan_windows(Size(80, 128), Size(32, 32), 0.0, 4)


def correction(
    certain: tuple[tuple[str, NDArray[np.bool_]], ...] = (),
    rejected: tuple[tuple[str, NDArray[np.bool_]], ...] = (),
) -> Correction:
    said, gone = (
        tuple(Stated(name, Mask.of(where)) for name, where in areas)
        for areas in (certain, rejected)
    )
    return Correction("a.png", SIZE, "", False, said, gone, Effort())


def area(top: int, left: int, bottom: int, right: int) -> NDArray[np.bool_]:
    where = np.zeros((SIZE.height, SIZE.width), np.bool_)
    where[top:bottom, left:right] = True
    return where


def whole(numbers: NDArray[np.int16]) -> NDArray[np.int16]:
    """Windows that do not overlap, put together again: (20, 32) cells."""
    found = np.full((20, 32), 99, np.int16)
    for window, own in zip(PLAN.windows, numbers, strict=True):
        top, left = window.top // 4, window.left // 4
        found[top : top + 8, left : left + 8] = own
    return found


def test_a_cell_is_what_the_pixel_in_its_middle_is() -> None:
    known = Known.of(correction((("cat", area(10, 20, 30, 40)),)), WORDS, PLAN)
    expected = np.full((20, 32), UNKNOWN, np.int16)
    expected[5:15, 10:20] = 0
    assert np.array_equal(whole(known.certain), expected)
    assert (known.rejected == UNKNOWN).all()


def test_what_nobody_looked_at_is_unknown_and_nothing_is_none() -> None:
    said = ((NOTHING, area(0, 0, 40, 32)), ("dog", area(0, 32, 40, 48)))
    known = Known.of(correction(said, (("cat", area(0, 48, 20, 64)),)), WORDS, PLAN)
    assert (whole(known.certain)[:, :16] == NONE).all()
    assert (whole(known.certain)[:, 16:24] == 1).all()
    assert (whole(known.certain)[:, 24:] == UNKNOWN).all()
    assert (whole(known.rejected)[:10, 24:] == 0).all()
    assert (whole(known.rejected)[:, :24] == UNKNOWN).all()


@pytest.mark.parametrize("name", ["bird", "sky"])
def test_other_words_and_negative_ones_say_nothing(name: str) -> None:
    known = Known.of(correction(((name, area(0, 0, 40, 64)),)), WORDS, PLAN)
    assert (known.certain == UNKNOWN).all()
    assert known.drawn(4, "0" * 64) == []


@pytest.mark.parametrize("seed", ["0" * 64, "7" * 64, "f" * 64])
def test_a_concept_in_one_window_is_among_few_that_are_drawn(seed: str) -> None:
    said = (("dog", area(36, 60, 40, 64)), (NOTHING, area(0, 0, 36, 64)))
    known = Known.of(correction(said), WORDS, PLAN)
    drawn = known.drawn(2, seed)
    assert len(drawn) == 2
    assert (known.windows(drawn).certain == 1).any()
    assert drawn == sorted(drawn)
    assert known.drawn(100, seed) == list(range(len(PLAN.windows)))
