from __future__ import annotations

import numpy as np
import pytest
import shapely
from drawn_masks import some_examples
from hypothesis import given
from hypothesis import strategies as st

from ovseg_annotate.geometry import Window
from ovseg_annotate.rasterise import Footprints, covered, filled

BOX = Window(-3, -2, 14, 17)
numbers = st.floats(-4, 16, allow_nan=False).map(lambda value: round(value * 8) / 8 + 1 / 64)
triangles = (
    st.lists(st.tuples(numbers, numbers), min_size=3, max_size=3)
    .map(shapely.Polygon)
    .filter(lambda triangle: triangle.is_valid and triangle.area > 0.1)
)


def centres(box: Window) -> np.ndarray:
    y, x = np.mgrid[box.top : box.bottom, box.left : box.right] + 0.5
    return shapely.points(x, y)


@some_examples
@given(triangles)
def test_the_filled_pixels_are_those_whose_centre_is_inside(triangle: shapely.Polygon) -> None:
    pixels = filled(np.array([triangle]), BOX)
    away = shapely.distance(triangle.exterior, centres(BOX)) > 1e-9
    expected = shapely.contains(triangle, centres(BOX))
    np.testing.assert_array_equal(pixels[away], expected[away])


@some_examples
@given(triangles, numbers, numbers)
def test_two_halves_leave_no_gap_and_no_overlap(
    triangle: shapely.Polygon, x: float, y: float
) -> None:
    a, b, c = triangle.exterior.coords[:3]
    halves = [shapely.Polygon([a, b, (x, y)]), shapely.Polygon([a, (x, y), c])]
    outer = shapely.Polygon([a, b, (x, y), c])
    if not (outer.is_valid and all(half.is_valid for half in halves)):
        return
    if abs(sum(half.area for half in halves) - outer.area) > 1e-6 or outer.area == 0:
        return  # the halves overlap
    one, two = (filled(np.array([half]), BOX) for half in halves)
    assert not (one & two).any()
    np.testing.assert_array_equal(one | two, filled(np.array([outer]), BOX))


@some_examples
@given(st.lists(st.tuples(triangles, triangles), min_size=1, max_size=4))
def test_agreement_is_the_iou_of_the_filled_pixels(
    pairs: list[tuple[shapely.Polygon, shapely.Polygon]],
) -> None:
    ones, others = np.array([a for a, _ in pairs]), np.array([b for _, b in pairs])
    box = Window(-10, -10, 40, 40)
    expected = []
    for one, other in pairs:
        first, second = filled(np.array([one]), box), filled(np.array([other]), box)
        either = (first | second).sum()
        expected.append((first & second).sum() / either if either else 1.0)
    footprints = Footprints.of(np.concatenate((ones, others)))
    found = footprints.agreement(np.arange(len(ones)), others)
    np.testing.assert_allclose(found, expected)


def test_pixels_are_counted_for_each_owner() -> None:
    boxes = np.array([shapely.box(0, 0, 2, 2), shapely.box(1, 1, 3, 3), shapely.box(5, 5, 6, 6)])
    runs = covered(boxes, np.array([0, 0, 1]), Window(0, 0, 8, 8))
    assert np.bincount(runs.owners, runs.lengths).tolist() == [7, 1]


@pytest.mark.parametrize("box", [Window(0, 0, 0, 5), Window(0, 0, 5, 0)])
def test_a_box_without_pixels_stays_empty(box: Window) -> None:
    assert filled(np.array([shapely.box(0, 0, 9, 9)]), box).shape == (box.height, box.width)
