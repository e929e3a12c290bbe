from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_plugin.uncertain_places import places_of
from ovseg_annotate.label_map import LabelMap
from ovseg_annotate.regions import RegionOptions, regions_of
from ovseg_annotate.vocabulary import Vocabulary

WORDS = Vocabulary.parse("zebra; ant")


def label_map(margin: np.ndarray, labels: np.ndarray | None = None) -> LabelMap:
    if labels is None:
        labels = np.zeros(margin.shape, np.uint8)
    return LabelMap(labels, np.ones(margin.shape, np.float16), margin.astype(np.float16), WORDS)


def regions(of: LabelMap) -> tuple:
    return tuple(regions_of(of, RegionOptions(minimum_area=1)))


def test_the_place_most_in_doubt_comes_first() -> None:
    margin = np.full((240, 480), 0.9)
    margin[100:120, 300:320] = 0.1
    margin[200:220, 40:60] = 0.5
    found = label_map(margin)
    first, second, *_ = places_of(found, regions(found))
    assert abs(first.row - 110) <= first.size
    assert abs(first.column - 310) <= first.size
    assert abs(second.column - 50) <= second.size


def test_a_region_in_doubt_is_found_between_larger_doubts() -> None:
    margin, labels = np.full((256, 256), 1.0), np.zeros((256, 256), np.uint8)
    for row in (20, 80, 140, 200):
        margin[row : row + 16, 20:36] = 0.0  # nothing is suggested there
    labels[100:110, 200:210] = 2
    margin[100:110, 200:210] = 0.4
    found = label_map(margin, labels)
    places = places_of(found, regions(found))
    assert any("ant" in place.about and abs(place.column - 204) < 16 for place in places)
    assert places[0].about == "in nothing"


def test_where_everything_is_settled_there_is_no_place() -> None:
    assert places_of(label_map(np.ones((64, 64))), ()) == ()


@settings(max_examples=25)  # pictures of noise have thousands of regions
@given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 2**31))
def test_places_lie_in_the_picture_apart_and_in_order(height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, (height, width)).astype(np.uint8)
    found = label_map(rng.uniform(0, 0.9, (height, width)), labels)
    places = places_of(found, regions(found))
    assert places
    values = [place.uncertainty for place in places]
    assert values == sorted(values, reverse=True)
    for number, place in enumerate(places):
        assert -0.5 <= place.row <= height - 0.5
        assert -0.5 <= place.column <= width - 0.5
        assert place not in places[:number]
