from __future__ import annotations

import numpy as np
import pytest
from drawn_masks import small_labels, some_examples
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ovseg_annotate.runs import Components, components_of, runs_of
from ovseg_annotate.sieve import small_ones, with_small_merged, without_small


def painted(components: Components) -> NDArray[np.int32]:
    runs = components.runs
    flat = np.repeat(components.labels[runs.values], runs.stops - runs.starts)
    return flat.reshape(runs.size.height, runs.size.width)


@pytest.mark.parametrize("sieve", [without_small, with_small_merged])
@some_examples
@given(labels=small_labels, area=st.integers(0, 30))
def test_no_small_component_is_left(sieve: object, labels: NDArray[np.uint8], area: int) -> None:
    assert callable(sieve)
    sieved = sieve(components_of(runs_of(labels)), area)
    assert not small_ones(sieved, area).any()


@pytest.mark.parametrize("sieve", [without_small, with_small_merged])
@some_examples
@given(labels=small_labels, area=st.integers(0, 30))
def test_large_and_unlabelled_pixels_keep_their_label(
    sieve: object, labels: NDArray[np.uint8], area: int
) -> None:
    assert callable(sieve)
    components = components_of(runs_of(labels))
    small = small_ones(components, area)[
        np.repeat(components.runs.values, np.diff(components.runs.bounds))
    ].reshape(labels.shape)
    after = painted(sieve(components, area))
    np.testing.assert_array_equal(after[~small], labels[~small])


def test_dropped_pixels_are_unlabelled() -> None:
    labels = np.array([[1, 1, 1], [1, 2, 1], [1, 1, 1]])
    after = painted(without_small(components_of(runs_of(labels)), 2))
    assert after.tolist() == [[1, 1, 1], [1, 0, 1], [1, 1, 1]]


def test_a_small_one_goes_to_the_neighbour_with_the_longest_border() -> None:
    labels = np.array(
        [
            [1, 1, 1, 1, 1],
            [1, 3, 3, 2, 2],
            [2, 2, 2, 2, 2],
        ]
    )
    after = painted(with_small_merged(components_of(runs_of(labels)), 3))
    # Three units of border with 1 (two above, one on the left), three with 2: the tie goes to
    # the later component. One unit less above decides for 2, one unit less below for 1.
    assert after[1, 1] == 2
    labels[2, 1] = 1
    labels[2, 0] = 1
    after = painted(with_small_merged(components_of(runs_of(labels)), 3))
    assert after[1, 1] == 1


def test_small_ones_among_small_ones_wait_for_a_neighbour_to_grow() -> None:
    labels = np.array([[1, 1, 1, 1, 2, 3]])
    after = painted(with_small_merged(components_of(runs_of(labels)), 3))
    assert after.tolist() == [[1, 1, 1, 1, 1, 1]]


def test_a_map_of_small_ones_only_becomes_unlabelled() -> None:
    after = painted(with_small_merged(components_of(runs_of(np.array([[1, 2], [3, 1]]))), 3))
    assert not after.any()


def test_neighbours_that_get_the_same_label_become_one_component() -> None:
    labels = np.array([[1, 1, 2, 1, 1]])
    sieved = with_small_merged(components_of(runs_of(labels)), 2)
    assert (len(sieved), sieved.areas.tolist()) == (1, [5])
