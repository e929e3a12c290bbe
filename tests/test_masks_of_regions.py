from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drawn_masks import WORDS, label_map, small_labels
from hypothesis import given, settings
from numpy.typing import NDArray

from ovseg_annotate.errors import VocabularyError
from ovseg_annotate.geometry import Polygon, Size, Window
from ovseg_annotate.regions import (
    AnnotatedImage,
    Mask,
    Region,
    RegionOptions,
    labels_of,
    mask_of,
    polygons_of,
    regions_of,
)

ALL = RegionOptions(minimum_area=1)
EXACT = RegionOptions(minimum_area=1, tolerance=0.0)
SQUARE = np.array([(0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (0.0, 4.0)])


def picture(regions: tuple[Region, ...], size: Size) -> AnnotatedImage:
    return AnnotatedImage("a.png", size, regions, WORDS, None)


def painted(regions: tuple[Region, ...], size: Size) -> NDArray[np.generic]:
    return labels_of(picture(regions, size))


@settings(max_examples=8, deadline=None)
@given(small_labels)
def test_boxes_are_whole_pixels_and_stay_over_ten_round_trips(labels: NDArray[np.uint8]) -> None:
    size = Size(*labels.shape)
    for region in regions_of(label_map(labels), EXACT)[:4]:
        assert region.mask is not None
        rows, columns = np.nonzero(region.mask.array())
        box, again = region.mask.box, region
        assert (rows.min(), columns.min()) == (0, 0)
        assert (rows.max() + 1, columns.max() + 1) == (box.height, box.width)
        for _ in range(10):
            outlined = Region(region.concept, polygons_of(replace(again, polygons=())), None)
            again = Region(region.concept, (), mask_of(outlined, size))
        assert again.mask is not None
        assert again.mask.box == box
        np.testing.assert_array_equal(again.mask.bits, region.mask.bits)


def test_a_mask_over_the_border_is_cut_off_and_does_not_come_round() -> None:
    mask = Mask.of(np.ones((6, 6), np.bool_), top=-2, left=7)
    cut = mask_of(Region("ash", (), mask), Size(height=8, width=10))
    assert cut.box == Window(0, 7, 4, 3)
    assert cut.array().all()


def test_a_polygon_over_the_border_is_cut_off() -> None:
    region = Region("ash", (Polygon(SQUARE - 2), Polygon(SQUARE + 7)), None)
    expected = np.zeros((9, 9), np.bool_)
    expected[:2, :2] = expected[7:, 7:] = True
    mask = mask_of(region, Size(9, 9))
    assert mask.box == Window(0, 0, 9, 9)
    np.testing.assert_array_equal(mask.array(), expected)


@pytest.mark.parametrize(
    "region",
    [
        Region("ash", (), None),
        Region("ash", (), Mask.of(np.zeros((3, 3), np.bool_))),
        Region("ash", (Polygon(SQUARE + 100),), None),
        Region("ash", (Polygon(SQUARE / 100),), None),
    ],
)
def test_a_region_without_pixels_in_the_picture_has_an_empty_mask(region: Region) -> None:
    mask = mask_of(region, Size(9, 9))
    assert mask.area == 0
    assert mask.array().shape == (0, 0)
    assert not painted((region,), Size(9, 9)).any()


def test_a_loose_mask_gets_a_tight_box() -> None:
    pixels = np.zeros((6, 8), np.bool_)
    pixels[2:4, 3:7] = True
    mask = mask_of(Region("ash", (), Mask.of(pixels, top=1, left=1)), Size(20, 20))
    assert mask.box == Window(3, 4, 2, 4)
    assert mask.array().all()


def test_small_regions_are_painted_over_large_ones() -> None:
    small = Region("birch", (Polygon(SQUARE / 2 + 1),), None)
    large = Region("ash", (Polygon(SQUARE),), None)
    for regions in ((small, large), (large, small)):
        labels = painted(regions, Size(4, 4))
        assert (labels == 2).sum() == 4
        assert (labels == 1).sum() == 12


def test_painting_an_unknown_concept_names_those_there_are() -> None:
    region = Region("oak", (Polygon(SQUARE),), None)
    with pytest.raises(VocabularyError, match="region of unknown concept 'oak'"):
        painted((region,), Size(4, 4))
