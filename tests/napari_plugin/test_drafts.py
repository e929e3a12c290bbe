from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_plugin.accepting import Preserve, combined, newly_accepted
from napari_plugin.drafts import PlaneDraft, relabelling
from napari_plugin.layer_data import Labels

SHAPE = (5, 6)
maps = hnp.arrays(np.uint8, SHAPE, elements=st.integers(0, 3))
masks = hnp.arrays(np.bool_, SHAPE)


def labels(*rows: str) -> Labels:
    return np.array([[int(each) for each in row] for row in rows], np.uint8)


def fresh(suggestion: Labels) -> tuple[PlaneDraft, Labels]:
    draft = PlaneDraft(np.zeros_like(suggestion))
    return draft, draft.take(np.zeros_like(suggestion), suggestion)


@given(maps, st.lists(st.tuples(masks, st.integers(0, 3), maps), max_size=4))
def test_what_a_person_painted_survives_every_new_suggestion(
    first: Labels, rounds: list[tuple[np.ndarray, int, Labels]]
) -> None:
    draft, shown = fresh(first)
    meant = np.full(SHAPE, -1)
    for mask, label, proposed in rounds:
        changed = mask & (shown != label)
        shown[mask] = label
        draft.note_painting(shown)
        meant[changed] = label
        meant[mask & (meant >= 0)] = label
        shown = draft.take(shown, proposed)
        kept = meant >= 0
        assert (shown[kept] == meant[kept]).all()
        assert (shown[~kept] == proposed[~kept]).all()


@given(maps, maps)
def test_without_corrections_the_layer_shows_the_suggestion(first: Labels, second: Labels) -> None:
    draft, shown = fresh(first)
    assert (shown == first).all()
    shown = draft.take(shown, second)
    assert (shown == second).all()
    assert not draft.corrected(shown).any()


@given(maps, masks, maps)
def test_undo_after_a_new_suggestion_brings_the_new_suggestion(
    first: Labels, stroke: np.ndarray, second: Labels
) -> None:
    draft, shown = fresh(first)
    changed = stroke & (shown != 3)
    old = shown[changed].copy()
    shown[changed] = 3
    draft.note_painting(shown)
    shown = draft.take(shown, second)
    shown[changed] = old  # what napari's undo does
    back = draft.reconcile_undo(shown)
    shown[back] = draft.suggestion[back]
    assert (shown == second).all()
    assert not draft.corrected(shown).any()


def test_painting_the_former_suggestion_again_is_no_undo() -> None:
    draft, shown = fresh(labels("1"))
    shown[0, 0] = 2
    draft.note_painting(shown)
    shown = draft.take(shown, labels("3"))
    shown[0, 0] = 1
    draft.note_painting(shown)
    assert not draft.reconcile_undo(shown).any()
    assert draft.take(shown, labels("2"))[0, 0] == 1


@given(maps, maps, st.sets(st.integers(1, 3)))
def test_a_locked_label_neither_loses_nor_gains_pixels(
    first: Labels, second: Labels, locked: set[int]
) -> None:
    draft, shown = fresh(first)
    after = draft.take(shown, second, locked)
    for label in locked:
        assert ((after == label) == (first == label)).all()
    assert not draft.corrected(after).any()


def test_forgotten_corrections_follow_the_suggestion_again() -> None:
    draft, shown = fresh(labels("12"))
    shown[0, 0] = 3
    draft.forget(draft.corrected(shown))
    shown = draft.suggestion.copy()
    assert draft.take(shown, labels("21")).tolist() == [[2, 1]]


def test_corrections_move_with_their_concepts() -> None:
    draft, shown = fresh(labels("12"))
    shown[0, 0] = 2
    table = relabelling((0, 2, 1), shown.dtype)
    draft.relabelled(table)
    shown = table[shown]
    assert shown.tolist() == [[1, 1]]
    assert draft.corrected(shown).tolist() == [[True, False]]
    shown = draft.take(shown, labels("22"))
    assert shown.tolist() == [[1, 2]]


def accepted(draft: Labels, before: Labels, wanted: set[int], how: Preserve) -> Labels:
    after = before.copy()
    mask = newly_accepted(draft, before, wanted, how)
    after[mask] = draft[mask]
    return after


def test_accepted_pixels_can_be_kept() -> None:
    draft, before = labels("1110", "1122"), labels("0300", "0000")
    assert accepted(draft, before, {1}, Preserve.PIXELS).tolist() == [[1, 3, 1, 0], [1, 1, 0, 0]]


def test_an_object_that_touches_an_accepted_one_can_stay_away_as_a_whole() -> None:
    draft, before = labels("11011", "11011"), labels("03000", "00000")
    after = accepted(draft, before, {1}, Preserve.OBJECTS)
    assert after.tolist() == [[0, 3, 0, 1, 1], [0, 0, 0, 1, 1]]


def test_the_draft_can_win() -> None:
    draft, before = labels("12"), labels("33")
    assert accepted(draft, before, {1, 2}, Preserve.NOTHING).tolist() == [[1, 2]]


@given(maps, maps, st.sets(st.integers(1, 3)), st.sampled_from(Preserve))
def test_accepting_never_removes_and_never_brings_other_concepts(
    draft: Labels, before: Labels, wanted: set[int], how: Preserve
) -> None:
    after = accepted(draft, before, wanted, how)
    assert (after[before != 0] != 0).all()
    changed = after != before
    assert set(np.unique(after[changed])) <= wanted
    if how is not Preserve.NOTHING:
        assert not changed[before != 0].any()


@given(maps, maps)
def test_accepted_counts_before_suggested(draft: Labels, above: Labels) -> None:
    shown = combined(draft, above)
    assert (shown == np.where(above != 0, above, draft)).all()
