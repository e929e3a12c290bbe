from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_plugin.answers import Painted
from napari_plugin.plane_corrections import correction_of
from ovseg_annotate.learning_loop.corrections import Stated
from ovseg_annotate.lessons.lesson import NOTHING
from ovseg_annotate.vocabulary import Vocabulary

WORDS = Vocabulary.parse("zebra; ant; -grass")


def painted(labels: list[int], proposed: list[int], persons: list[bool] | None = None) -> Painted:
    now, before = np.array([labels], np.uint8), np.array([proposed], np.uint8)
    return Painted(now, now != before if persons is None else np.array([persons]), before, "v")


def pixels(stated: tuple[Stated, ...], width: int) -> dict[str, list[int]]:
    """Columns of the only row, by concept."""
    found = {}
    for each in stated:
        whole = np.zeros((1, width), np.bool_)
        whole[each.mask.box.slices] = each.mask.array()
        found[each.concept] = np.flatnonzero(whole[0]).tolist()
    return found


def test_painted_pixels_are_certain_and_erased_ones_rejected() -> None:
    made = correction_of(painted([2, 1, 0, 2], [1, 1, 2, 0]), WORDS, "herd")
    assert pixels(made.certain, 4) == {"ant": [0, 3]}
    assert pixels(made.rejected, 4) == {"ant": [2]}
    assert (made.picture, made.version, made.effort.pixels_relabelled) == ("herd", "v", 3)


def test_accepted_pixels_are_certain_though_nobody_changed_them() -> None:
    made = correction_of(painted([1, 1, 2], [1, 1, 2], [True, False, True]), WORDS, "herd")
    assert pixels(made.certain, 3) == {"zebra": [0], "ant": [2]}
    assert made.effort.pixels_relabelled == 0


def test_what_is_painted_as_a_negative_concept_is_none_of_the_others() -> None:
    made = correction_of(painted([3, 1], [1, 1]), WORDS, "herd")
    assert pixels(made.certain, 2) == {NOTHING: [0]}


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.booleans()), min_size=1))
def test_nothing_is_said_of_pixels_that_no_person_touched(
    drawn: list[tuple[int, int, bool]],
) -> None:
    labels, proposed, persons = (list(each) for each in zip(*drawn, strict=True))
    made = correction_of(painted(labels, proposed, persons), WORDS, "herd")
    assert made.unseen()[0, ~np.array(persons)].all()
