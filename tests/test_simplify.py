from __future__ import annotations

import numpy as np
import pytest
import shapely
from drawn_masks import (
    SHAPES,
    disk,
    ring_with_island,
    small_masks,
    some_examples,
    star,
)
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ovseg_annotate.errors import OptionError
from ovseg_annotate.geometry import Window
from ovseg_annotate.polygons import (
    VertexBudget,
    fill,
    simplified,
    to_shapely,
    trace,
    within_budget,
)


def whole(mask: NDArray[np.bool_]) -> Window:
    return Window(0, 0, *mask.shape)


def iou(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float((one & other).sum() / (one | other).sum())


@pytest.mark.parametrize("name", SHAPES)
def test_half_a_pixel_of_tolerance_keeps_an_iou_of_99_percent(name: str) -> None:
    mask = SHAPES[name]()
    parts = [simplified(part, 0.5, 0.99) for part in trace(mask)]
    polygons = [part.polygon for part in parts]
    assert iou(fill(polygons, whole(mask)), mask) >= 0.99
    assert shapely.is_valid(to_shapely(polygons)).all()


def test_simplifying_a_disk_leaves_a_fraction_of_its_vertices() -> None:
    (outline,) = trace(disk((200, 200), (100, 100), 90))
    result = simplified(outline, 0.5)
    assert result.polygon.vertices <= 110  # 264 with the stairs of single pixels
    assert result.iou >= 0.996
    assert result.tolerance == 0.5


def test_the_reported_iou_is_that_of_the_filled_polygons() -> None:
    mask = star((150, 150), teeth=9)
    (outline,) = trace(mask)
    result = simplified(outline, 4.0)
    assert result.iou == pytest.approx(iou(fill([result.polygon], whole(mask)), mask))


def test_a_tolerance_that_costs_too_much_is_halved_until_it_does_not() -> None:
    (outline,) = trace(star((150, 150), teeth=9))
    result = simplified(outline, 8.0, minimum_iou=0.99)
    assert result.iou >= 0.99
    assert 0 < result.tolerance < 8
    assert 8 / result.tolerance == 2 ** round(np.log2(8 / result.tolerance))


@pytest.mark.parametrize("name", ["one pixel", "block of four pixels", "one by two pixels"])
def test_small_regions_keep_all_their_vertices(name: str) -> None:
    (outline,) = trace(SHAPES[name]())
    result = simplified(outline, 2.0)
    assert result.polygon.vertices == outline.vertices
    assert (result.iou, result.tolerance) == (1.0, 0.0)


@some_examples
@given(small_masks, st.floats(0.1, 4.0))
def test_simplified_polygons_are_valid_and_keep_every_hole(
    mask: NDArray[np.bool_], tolerance: float
) -> None:
    for part in trace(np.kron(mask, np.ones((3, 3), np.bool_))):
        result = simplified(part, tolerance).polygon
        assert shapely.is_valid(to_shapely([result])).all()
        assert len(result.holes) == len(part.holes)
        assert all(len(np.unique(ring, axis=0)) >= 3 for ring in result.rings)


def test_a_long_outline_meets_its_budget_and_says_what_it_cost() -> None:
    mask = star((700, 700), teeth=40)
    polygons = trace(mask)
    result = within_budget(polygons, VertexBudget(per_polygon=200))
    assert result.vertices_before == polygons[0].vertices > 2000
    assert result.vertices == result.polygons[0].vertices <= 200
    assert result.reached
    assert result.tolerance > 0
    assert result.worst_iou == pytest.approx(iou(fill(result.polygons, whole(mask)), mask))
    assert 0.9 < result.worst_iou < 1


def test_a_budget_takes_no_more_vertices_than_it_must() -> None:
    polygons = trace(star((700, 700), teeth=40))
    result = within_budget(polygons, VertexBudget(per_polygon=400))
    assert 300 <= result.vertices <= 400


def test_the_budget_of_a_picture_is_shared_by_its_polygons() -> None:
    mask = SHAPES["silhouettes"]()
    polygons = trace(mask)
    before = sum(polygon.vertices for polygon in polygons)
    result = within_budget(polygons, VertexBudget(total=before // 3))
    assert len(result.polygons) == len(polygons)
    assert result.vertices <= before // 3
    assert shapely.is_valid(to_shapely(result.polygons)).all()


def test_polygons_under_the_budget_stay_as_they_are() -> None:
    polygons = trace(ring_with_island())
    result = within_budget(polygons, VertexBudget(per_polygon=1000, total=2000))
    for before, after in zip(polygons, result.polygons, strict=True):
        np.testing.assert_array_equal(np.unique(before.outline), np.unique(after.outline))
    assert (result.tolerance, result.worst_iou, result.reached) == (0.0, 1.0, True)


def test_a_polygon_that_cannot_meet_its_budget_stays_and_is_reported() -> None:
    mask = np.zeros((41, 141), np.bool_)
    mask[:, :41] = True
    mask[1:40:4, 1:40:4] = False
    mask |= disk(mask.shape, (95, 20), 20)
    polygons = trace(mask)
    result = within_budget(polygons, VertexBudget(per_polygon=20))
    assert not result.reached
    (holed,) = (part for part in result.parts if part.polygon.holes)
    assert (len(holed.polygon.holes), holed.iou, holed.tolerance) == (100, 1.0, 0.0)
    assert min(polygon.vertices for polygon in result.polygons) <= 20


def test_no_polygons_are_within_any_budget() -> None:
    result = within_budget((), VertexBudget(total=10))
    assert (result.polygons, result.vertices, result.reached) == ((), 0, True)


def test_a_budget_that_no_polygon_can_meet_is_refused() -> None:
    with pytest.raises(OptionError, match="got 3; allowed: 4 or more"):
        VertexBudget(per_polygon=3)
