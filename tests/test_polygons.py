from __future__ import annotations

import numpy as np
import pytest
import shapely
from drawn_masks import (
    SHAPES,
    diagonal_hole_pixels,
    ring,
    ring_with_island,
    small_masks,
    some_examples,
)
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage.measure import find_contours, label

from ovseg_annotate.geometry import Polygon, Window, signed_area
from ovseg_annotate.polygons import (
    fill,
    from_shapely,
    repaired,
    to_shapely,
    trace,
)


def whole(mask: NDArray[np.bool_]) -> Window:
    return Window(0, 0, *mask.shape)


def iou(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float((one & other).sum() / (one | other).sum())


@some_examples
@given(small_masks)
def test_an_outline_fills_back_to_exactly_its_mask(mask: NDArray[np.bool_]) -> None:
    np.testing.assert_array_equal(fill(trace(mask), whole(mask)), mask)


@some_examples
@given(small_masks)
def test_every_traced_polygon_is_valid(mask: NDArray[np.bool_]) -> None:
    assert shapely.is_valid(to_shapely(trace(mask))).all()


@some_examples
@given(small_masks)
def test_parts_agree_with_4_connected_labelling(mask: NDArray[np.bool_]) -> None:
    numbers = label(mask, connectivity=1)
    for polygon in trace(mask):
        part = fill([polygon], whole(mask))
        np.testing.assert_array_equal(part, numbers == numbers[part][0])
    assert len(trace(mask)) == numbers.max()


@some_examples
@given(small_masks)
def test_outlines_are_those_of_find_contours(mask: NDArray[np.bool_]) -> None:
    contours = find_contours(np.pad(mask, 1).astype(float), 0.5)
    expected = {_bends(contour[:-1, ::-1] - 1 + 0.5) for contour in contours}
    assert {_bends(ring) for polygon in trace(mask) for ring in polygon.rings} == expected


def _bends(points: NDArray[np.float64]) -> frozenset[tuple[float, float]]:
    before, after = points - np.roll(points, 1, 0), np.roll(points, -1, 0) - points
    bends = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    return frozenset((float(x), float(y)) for x, y in points[bends])


@some_examples
@given(small_masks)
def test_outlines_turn_one_way_and_holes_the_other(mask: NDArray[np.bool_]) -> None:
    for polygon in trace(mask):
        assert signed_area(polygon.outline) > 0
        assert all(signed_area(hole) < 0 for hole in polygon.holes)


@some_examples
@given(small_masks)
def test_the_area_keeps_within_an_eighth_of_a_pixel_a_corner(mask: NDArray[np.bool_]) -> None:
    pixels = np.pad(mask, 1).astype(int)
    quads = pixels[1:, 1:] + pixels[:-1, 1:] + pixels[1:, :-1] + pixels[:-1, :-1]
    saddles = (quads == 2) & (pixels[1:, 1:] == pixels[:-1, :-1])
    corners = (quads % 2 == 1).sum() + 2 * saddles.sum()
    area = sum(polygon.area for polygon in trace(mask))
    assert abs(area - mask.sum()) <= corners / 8


@pytest.mark.parametrize(
    ("mask", "holes"),
    [
        (ring(), [1]),
        (ring_with_island(), [1, 0]),
        (SHAPES["two holes"](), [2]),
        (diagonal_hole_pixels(), [1]),
    ],
)
def test_holes_survive_the_round_trip(mask: NDArray[np.bool_], holes: list[int]) -> None:
    polygons = trace(mask)
    assert [len(polygon.holes) for polygon in polygons] == holes
    np.testing.assert_array_equal(fill(polygons, whole(mask)), mask)
    again = trace(fill(polygons, whole(mask)))
    assert [len(polygon.holes) for polygon in again] == holes


def test_known_numbers_of_three_by_two_pixels_off_the_origin() -> None:
    (polygon,) = trace(np.ones((2, 3), np.bool_), top=4, left=10)
    expected = {
        (10.5, 4.0), (12.5, 4.0), (13.0, 4.5), (13.0, 5.5),
        (12.5, 6.0), (10.5, 6.0), (10.0, 5.5), (10.0, 4.5),
    }  # fmt: skip
    assert set(map(tuple, polygon.outline.tolist())) == expected


def test_outlines_at_the_border_stay_closed_and_inside() -> None:
    mask = np.zeros((20, 30), np.bool_)
    mask[:6, :9] = mask[-3:, -5:] = True
    for polygon in trace(mask):
        assert (polygon.outline >= 0).all()
        assert (polygon.outline <= (30, 20)).all()
        assert not np.array_equal(polygon.outline[0], polygon.outline[-1])


@pytest.mark.parametrize("shape", [(0, 0), (0, 4), (3, 0), (1, 1), (5, 7)])
def test_an_empty_mask_gives_no_polygon(shape: tuple[int, int]) -> None:
    assert trace(np.zeros(shape, np.bool_)) == ()


def test_a_polygon_over_the_border_is_cut_off_and_does_not_come_round() -> None:
    square = Polygon(np.array([(-5.0, -5.0), (3.0, -5.0), (3.0, 3.0), (-5.0, 3.0)]))
    far = square.moved(12, 8)  # 7 to 15, 3 to 11 in a picture of 10 x 8
    mask = fill([square, far], Window(0, 0, 8, 10))
    expected = np.zeros((8, 10), np.bool_)
    expected[:3, :3] = expected[3:, 7:] = True
    np.testing.assert_array_equal(mask, expected)


def test_a_centre_on_a_border_belongs_to_the_right_and_below() -> None:
    square = Polygon(np.array([(0.5, 0.5), (2.5, 0.5), (2.5, 2.5), (0.5, 2.5)]))
    expected = np.zeros((4, 4), np.bool_)
    expected[:2, :2] = True
    np.testing.assert_array_equal(fill([square], Window(0, 0, 4, 4)), expected)


def test_overlapping_polygons_fill_to_their_union() -> None:
    square = Polygon(np.array([(0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (0.0, 4.0)]))
    inner = square.outline[::-1] / 4 + 1.5
    holed = Polygon(square.outline, (inner,))
    assert fill([holed], Window(0, 0, 4, 4)).sum() == 15
    assert fill([holed, square.moved(1, 1)], Window(0, 0, 4, 4)).all()


def test_the_direction_of_rings_does_not_matter_for_filling() -> None:
    (polygon,) = trace(ring())
    turned = Polygon(polygon.outline[::-1], tuple(hole[::-1] for hole in polygon.holes))
    np.testing.assert_array_equal(fill([turned], whole(ring())), ring())


def test_no_polygons_fill_nothing() -> None:
    assert not fill([], Window(3, 4, 5, 6)).any()


@some_examples
@given(small_masks, st.integers(-5, 5), st.integers(-5, 5))
def test_filling_a_moved_box_moves_the_mask(mask: NDArray[np.bool_], down: int, right: int) -> None:
    box = Window(down, right, *mask.shape)
    np.testing.assert_array_equal(fill(trace(mask, down, right), box), mask)


def test_a_keyhole_ring_becomes_a_polygon_with_a_hole() -> None:
    keyhole = [(0, 0), (9, 0), (9, 9), (0, 9), (0, 0), (3, 3), (3, 6), (6, 6), (6, 3), (3, 3)]
    (polygon,) = repaired(Polygon(np.array(keyhole, np.float64)))
    assert polygon.area == 81 - 9
    assert len(polygon.holes) == 1
    assert signed_area(polygon.outline) > 0


@pytest.mark.parametrize(
    "points",
    [
        [(1, 1), (1, 1), (1, 1)],
        [(0, 0), (4, 0)],
        [(0, 0), (4, 0), (8, 0), (2, 0)],
    ],
)
def test_a_ring_without_area_gives_no_polygon(points: list[tuple[float, float]]) -> None:
    assert repaired(Polygon(np.array(points, np.float64))) == ()


@some_examples
@given(small_masks)
def test_shapely_and_back_is_the_same_polygon(mask: NDArray[np.bool_]) -> None:
    polygons = trace(mask)
    for one, other in zip(polygons, from_shapely(to_shapely(polygons)), strict=True):
        assert len(one.rings) == len(other.rings)
        for before, after in zip(one.rings, other.rings, strict=True):
            np.testing.assert_array_equal(before, after)
