from __future__ import annotations

import numpy as np
import pytest
from drawn_masks import small_labels, smooth_field, some_examples
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage.measure import label

from ovseg_annotate import runs as runs_module
from ovseg_annotate.geometry import Window
from ovseg_annotate.runs import (
    OUTSIDE,
    RunMap,
    box_of,
    components_of,
    painted_in,
    ranges,
    runs_of,
    touching,
)


def unrolled(runs: RunMap) -> NDArray[np.int32]:
    flat = np.repeat(runs.values, runs.stops - runs.starts)
    return flat.reshape(runs.size.height, runs.size.width)


@some_examples
@given(small_labels)
def test_runs_unroll_to_the_map_they_were_read_from(labels: NDArray[np.uint8]) -> None:
    np.testing.assert_array_equal(unrolled(runs_of(labels)), labels)


@some_examples
@given(small_labels)
def test_components_are_those_of_4_connected_labelling(labels: NDArray[np.uint8]) -> None:
    components = components_of(runs_of(labels))
    expected = label(labels, connectivity=1, background=-1)
    # Both number their components in reading order, ours from 0.
    np.testing.assert_array_equal(unrolled(components.runs), expected - 1)
    np.testing.assert_array_equal(components.areas, np.bincount(expected.ravel())[1:])


@pytest.mark.parametrize("band_pixels", [1, 7, 50, 333, 10**6])
def test_bands_of_any_height_give_the_same_components(
    band_pixels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = smooth_field(5, (67, 50), concepts=3, sigma=2)
    confidence = np.random.default_rng(0).random(labels.shape)
    whole = components_of(runs_of(labels))
    monkeypatch.setattr(runs_module, "_BAND_PIXELS", band_pixels)
    banded = components_of(runs_of(labels))
    np.testing.assert_array_equal(banded.runs.bounds, whole.runs.bounds)
    np.testing.assert_array_equal(banded.runs.values, whole.runs.values)
    np.testing.assert_allclose(banded.totals(confidence), whole.totals(confidence))


@some_examples
@given(small_labels, st.integers(0, 2**32 - 1))
def test_totals_are_the_sums_over_the_pixels_of_each_component(
    labels: NDArray[np.uint8], seed: int
) -> None:
    pixels = np.random.default_rng(seed).random(labels.shape)
    components = components_of(runs_of(labels))
    owners = unrolled(components.runs)
    expected = [pixels[owners == number].sum() for number in range(len(components))]
    np.testing.assert_allclose(components.totals(pixels), expected)


@some_examples
@given(small_labels, st.sampled_from([-1, 1]))
def test_touching_pieces_name_what_stands_above_and_below(
    labels: NDArray[np.uint8], step: int
) -> None:
    runs = runs_of(labels)
    numbers = np.repeat(np.arange(len(runs.values)), runs.stops - runs.starts)
    beyond = np.full((labels.shape[0] + 2, labels.shape[1]), OUTSIDE)
    beyond[1:-1] = numbers.reshape(labels.shape)
    expected = beyond[1 + step :][: labels.shape[0]].ravel()
    near = touching(runs, np.arange(len(runs.values)), step)
    pieces = ranges(near.starts, near.stops - near.starts)
    lengths = near.stops - near.starts
    np.testing.assert_array_equal(np.sort(pieces), np.arange(labels.size))
    np.testing.assert_array_equal(np.repeat(near.others, lengths), expected[pieces])
    np.testing.assert_array_equal(np.repeat(near.runs, lengths), numbers[pieces])


@some_examples
@given(small_labels)
def test_a_component_is_painted_into_its_tight_box(labels: NDArray[np.uint8]) -> None:
    components = components_of(runs_of(labels))
    owners = unrolled(components.runs)
    for number, chosen in enumerate(components.members()):
        rows, columns = np.nonzero(owners == number)
        box = box_of(components.runs, chosen)
        assert (box.top, box.left) == (rows.min(), columns.min())
        assert (box.bottom, box.right) == (rows.max() + 1, columns.max() + 1)
        np.testing.assert_array_equal(
            painted_in(box, components.runs, chosen), owners[box.slices] == number
        )


def test_runs_that_get_the_same_value_are_joined() -> None:
    runs = runs_of(np.array([[1, 2, 3], [3, 2, 2]]))
    joined = runs.with_values(np.minimum(runs.values, 2).astype(np.int32))
    assert joined.bounds.tolist() == [0, 1, 3, 6]
    assert joined.values.tolist() == [1, 2, 2]


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0)])
def test_a_map_without_pixels_has_no_components(shape: tuple[int, int]) -> None:
    components = components_of(runs_of(np.zeros(shape, np.uint8)))
    assert len(components) == 0
    assert components.totals(np.zeros(shape)).tolist() == []


def test_painting_into_a_larger_box_leaves_the_rest_empty() -> None:
    runs = runs_of(np.array([[0, 1], [1, 1]]))
    painted = painted_in(Window(-1, -1, 4, 4), runs, np.flatnonzero(runs.values))
    assert np.argwhere(painted).tolist() == [[1, 2], [2, 1], [2, 2]]
