"""How numbers of any range become 0 to 255."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ovseg_annotate.image import ReadingOptions, from_array

PICTURES = arrays.arrays(
    dtype=st.sampled_from(["u2", "u4", "i2", "i4", "i8", "f2", "f4", "f8"]).map(np.dtype),
    shape=arrays.array_shapes(min_dims=2, max_dims=2, max_side=12),
)


@settings(deadline=None, max_examples=100)
@given(values=PICTURES)
def test_stretching_keeps_the_order_of_the_values(values: np.ndarray[Any, Any]) -> None:
    image = from_array(values)
    grey = image.pixels[:, :, 0]
    finite = np.isfinite(values)
    order = np.argsort(values[finite], kind="stable")
    assert (np.diff(grey[finite][order].astype(int)) >= 0).all()
    assert (grey[~finite] == 0).all()


@settings(deadline=None, max_examples=100)
@given(values=PICTURES)
def test_smallest_and_largest_value_span_the_whole_range(values: np.ndarray[Any, Any]) -> None:
    finite = values[np.isfinite(values)]
    grey = from_array(values, ReadingOptions(percentiles=(0, 100))).pixels[:, :, 0]
    if finite.size and float(finite.max()) / 2 > float(finite.min()) / 2:
        assert (grey[values == finite.max()] == 255).all()
        assert (grey[values == finite.min()] == 0).all()


@settings(deadline=None, max_examples=100)
@given(values=PICTURES)
def test_only_what_is_no_number_is_marked_invalid(values: np.ndarray[Any, Any]) -> None:
    valid = from_array(values).valid
    finite = np.isfinite(values)
    assert (valid is None) == bool(finite.all())
    if valid is not None:
        np.testing.assert_array_equal(valid, finite)


def test_outliers_do_not_darken_a_picture() -> None:
    values = np.tile(np.arange(1000, 2000, dtype=np.uint16), (20, 1))
    values[0, 0] = 65535
    grey = from_array(values).pixels[:, :, 0]
    assert grey[5, 0] == 0
    assert grey[5, -1] == 255
    assert 126 <= grey[5, 500] <= 129


def test_a_few_bright_spots_on_even_ground_stay_visible() -> None:
    values = np.full((300, 300), 7, np.uint16)
    values[10, 10] = 900
    grey = from_array(values).pixels[:, :, 0]
    assert grey[10, 10] == 255
    assert grey[0, 0] == 0


def test_a_spot_between_the_sampled_pixels_of_a_large_picture_is_found() -> None:
    values = np.zeros((1200, 1200), np.uint16)
    values[601, 601] = 900
    assert from_array(values).pixels[601, 601, 0] == 255


@pytest.mark.parametrize(
    ("value", "grey"),
    [(np.uint16(65535), 255), (np.uint16(0), 0), (np.float32(1), 255), (np.float64(-3), 0)],
)
def test_an_even_picture_keeps_its_place_in_the_range_of_its_type(
    value: np.generic, grey: int
) -> None:
    pixels = from_array(np.full((5, 6), value)).pixels
    assert (pixels == grey).all()


def test_a_picture_without_any_number_is_black_and_invalid() -> None:
    image = from_array(np.full((3, 4), np.nan))
    assert image.pixels.max() == 0
    assert image.valid is not None
    assert not image.valid.any()


def test_infinities_do_not_move_the_range() -> None:
    values = np.linspace(0, 10, 200).reshape(10, 20)
    plain = from_array(values).pixels
    values[3, 4], values[5, 6] = np.inf, -np.inf
    broken = from_array(values)
    assert np.abs(broken.pixels[0].astype(int) - plain[0]).max() <= 2
    assert broken.valid is not None
    assert np.argwhere(~broken.valid).tolist() == [[3, 4], [5, 6]]


def test_each_channel_has_a_range_of_its_own() -> None:
    ramp = np.linspace(0, 1, 400).reshape(20, 20)
    values = np.stack([ramp * 10, ramp * 1000, ramp * 60000], axis=2).astype(np.uint16)
    image = from_array(values)
    assert (image.pixels.max(axis=(0, 1)) == 255).all()
    assert (image.pixels.min(axis=(0, 1)) == 0).all()
    assert "2: " in image.reading


def test_never_scales_by_the_type_alone() -> None:
    options = ReadingOptions(stretch="never")
    assert from_array(np.array([[0, 128 * 257]], np.uint16), options).pixels[0, 1, 0] == 128
    assert from_array(np.array([[0.0, 0.5, 7.0]]), options).pixels[0, :, 0].tolist() == [
        0,
        128,
        255,
    ]


def test_always_stretches_eight_bits_too() -> None:
    values = np.tile(np.arange(100, 110, dtype=np.uint8), (10, 1))
    assert from_array(values).pixels.max() == 109
    assert from_array(values, ReadingOptions(stretch="always")).pixels.max() == 255
