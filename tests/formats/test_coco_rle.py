"""COCO's run-length code against its official library."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from pycocotools import mask as pycoco

from ovseg_annotate.errors import FormatError
from ovseg_annotate.formats import coco_rle
from ovseg_annotate.formats.fields import Field
from ovseg_annotate.formats.pixel_maps import cropped
from ovseg_annotate.geometry import Size
from ovseg_annotate.regions import Mask

masks = arrays.arrays(np.bool_, st.tuples(st.integers(1, 40), st.integers(1, 40)))


def official(mask: NDArray[np.bool_]) -> str:
    return str(pycoco.encode(np.asfortranarray(mask, np.uint8))["counts"], "ascii")


def whole(mask: Mask | None, size: Size) -> NDArray[np.bool_]:
    pixels = np.zeros((size.height, size.width), bool)
    if mask is not None:
        pixels[mask.box.slices] = mask.array()
    return pixels


@settings(deadline=None)
@given(masks)
def test_the_text_is_that_of_the_official_library(mask: NDArray[np.bool_]) -> None:
    size = Size(*mask.shape)
    for part in (Mask.of(mask), cropped(mask)):
        if part is not None:
            assert coco_rle.packed(coco_rle.counts_in_picture(part, size)) == official(mask)


@settings(deadline=None)
@given(masks)
def test_the_text_of_the_official_library_is_read(mask: NDArray[np.bool_]) -> None:
    size = Size(*mask.shape)
    field = Field({"size": [size.height, size.width], "counts": official(mask)}, "here")
    found = coco_rle.mask_of_field(field, size)
    np.testing.assert_array_equal(whole(found, size), mask)
    assert (found is None) == (not mask.any())


@pytest.mark.parametrize("side", [3000, 70_000])
def test_long_runs_take_several_characters(side: int) -> None:
    mask = np.zeros((side, 3), bool)
    mask[side // 2, 1] = True
    counts = coco_rle.counts_in_picture(Mask.of(mask), Size(side, 3))
    assert coco_rle.packed(counts) == official(mask)
    np.testing.assert_array_equal(coco_rle.unpacked(coco_rle.packed(counts), "here"), counts)


def test_lists_of_counts_are_read() -> None:
    field = Field({"size": [2, 3], "counts": [1, 2, 3]}, "here")
    found = coco_rle.mask_of_field(field, Size(2, 3))
    np.testing.assert_array_equal(whole(found, Size(2, 3)), [[0, 1, 0], [1, 0, 0]])


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.characters(max_codepoint=0x7E, min_codepoint=0x2A), max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    field = Field({"size": [7, 9], "counts": text}, "here")
    try:
        found = coco_rle.mask_of_field(field, Size(7, 9))
    except FormatError:
        return
    assert whole(found, Size(7, 9)).shape == (7, 9)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"size": [3, 2], "counts": "06"}, r"expected \[2, 3\]"),
        ({"size": [2, 3], "counts": [2, 3]}, "add up to 5"),
        ({"size": [2, 3], "counts": [-1, 7]}, "whole number"),
        ({"size": [2, 3], "counts": "o" * 40 + "0"}, "more than 8 characters"),
        ({"size": [2, 3], "counts": "ö"}, "not a compressed"),
        ({"size": [2, 3]}, "'counts' is missing"),
    ],
)
def test_wrong_codes_are_refused(value: object, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        coco_rle.mask_of_field(Field(value, "here"), Size(2, 3))
