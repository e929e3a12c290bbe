from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_plugin.uncertain_places import uncertain_places


def test_the_least_sure_area_comes_first() -> None:
    margin = np.full((240, 480), 0.9, np.float16)
    margin[100:120, 300:320] = 0.1
    margin[200:220, 40:60] = 0.5
    first, second, *_ = uncertain_places(margin, np.zeros(margin.shape, bool))
    assert abs(first.row - 110) <= first.size
    assert abs(first.column - 310) <= first.size
    assert abs(second.column - 50) <= second.size


def test_what_is_settled_is_not_looked_at() -> None:
    margin = np.zeros((64, 64), np.float16)
    settled = np.ones((64, 64), bool)
    assert uncertain_places(margin, settled) == ()
    settled[40:48, 8:16] = False
    (place,) = uncertain_places(margin, settled)
    assert (place.row, place.column) == (44, 12)


@given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 2**31))
def test_places_lie_in_the_picture_apart_and_in_order(height: int, width: int, seed: int) -> None:
    margin = np.random.default_rng(seed).random((height, width)).astype(np.float16)
    places = uncertain_places(margin, np.zeros(margin.shape, bool))
    assert places
    values = [place.uncertainty for place in places]
    assert values == sorted(values, reverse=True)
    for number, place in enumerate(places):
        assert 0 <= place.row < height + place.size
        assert 0 <= place.column < width + place.size
        for other in places[:number]:
            apart = max(abs(place.row - other.row), abs(place.column - other.column))
            assert apart > place.size
