"""Which pictures a reviewer sees, and in what order."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from napari_plugin.review_list import Arrangement, Order, ReviewItem, counts
from ovseg_annotate.run_folder import Picture, PictureState, Standing


def item(name: str, state: PictureState, margin: float | None = None) -> ReviewItem:
    return ReviewItem(Picture(name, Path("/pictures") / name), Standing(state, margin))


ITEMS = [
    item("a.png", PictureState.NEW),
    item("b.png", PictureState.SUGGESTED, 0.5),
    item("c.png", PictureState.ACCEPTED),
    item("d/e.png", PictureState.SUGGESTED, 0.1),
    item("f.png", PictureState.CORRECTED),
]
items = st.lists(
    st.builds(
        item,
        st.text(min_size=1, max_size=3),
        st.sampled_from(PictureState),
        st.none() | st.floats(0, 1),
    )
)


def test_everything_is_shown_by_name_at_first() -> None:
    assert Arrangement().of(ITEMS) == (0, 1, 2, 3, 4)


def test_the_smallest_margin_comes_first_and_the_unknown_last() -> None:
    assert Arrangement(order=Order.UNCERTAIN).of(ITEMS) == (3, 1, 0, 2, 4)


def test_a_filter_shows_the_chosen_states_only() -> None:
    suggested = Arrangement(frozenset({PictureState.SUGGESTED}))
    assert suggested.of(ITEMS) == (1, 3)


def test_a_text_is_looked_for_anywhere_in_the_name_whatever_its_case() -> None:
    assert Arrangement(text="D/E").of(ITEMS) == (3,)


@given(items, st.sampled_from(Order))
def test_no_picture_is_lost_or_doubled_by_any_order(
    given_items: list[ReviewItem], order: Order
) -> None:
    shown = Arrangement(order=order).of(given_items)
    assert sorted(shown) == list(range(len(given_items)))


@given(items)
def test_every_picture_is_counted_once(given_items: list[ReviewItem]) -> None:
    assert sum(counts(given_items).values()) == len(given_items)
