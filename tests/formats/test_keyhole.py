"""Polygons with holes as one ring."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from pycocotools import mask as pycoco

from ovseg_annotate.errors import FormatError
from ovseg_annotate.formats.keyhole import keyhole_ring
from ovseg_annotate.geometry import Polygon, Window, signed_area
from ovseg_annotate.polygons import fill, repaired, simplified, trace

# pycocotools.decode calls numpy in a way that numpy 2 warns about.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

masks = arrays.arrays(
    np.bool_,
    st.tuples(st.integers(3, 16), st.integers(3, 16)),
    elements=st.sampled_from([True, True, True, False]),
)


def square(x: float, y: float, side: float) -> list[tuple[float, float]]:
    return [(x, y), (x + side, y), (x + side, y + side), (x, y + side)]


def polygon(outline: list[tuple[float, float]], *holes: list[tuple[float, float]]) -> Polygon:
    return Polygon(np.array(outline), tuple(np.array(hole[::-1]) for hole in holes))


def test_one_hole_by_hand() -> None:
    ring = keyhole_ring(polygon(square(0, 0, 10), square(3, 4, 2)))
    expected = [(0, 0), (10, 0), (10, 10), (0, 10), (0, 4)]
    expected += [(3, 4), (3, 6), (5, 6), (5, 4), (3, 4), (0, 4)]
    assert ring.tolist() == [list(map(float, point)) for point in expected]


def test_without_holes_nothing_changes() -> None:
    plain = polygon(square(0, 0, 10))
    assert keyhole_ring(plain) is plain.outline


def test_a_hole_behind_a_hole_hangs_on_it() -> None:
    ring = keyhole_ring(polygon(square(0, 0, 20), square(3, 4, 4), square(10, 5, 4)))
    assert [7.0, 5.0] in ring.tolist()  # the right side of the first hole, level with the second
    assert signed_area(ring) == 400 - 16 - 16


def test_two_holes_may_hang_on_one_edge() -> None:
    ring = keyhole_ring(polygon(square(0, 0, 20), square(3, 4, 4), square(3, 12, 4)))
    assert signed_area(ring) == 400 - 16 - 16
    assert len(repaired(Polygon(ring))[0].holes) == 2


def bridges(ring: NDArray[np.float64]) -> list[shapely.LineString]:
    """The edges that are walked in both directions."""
    edges = [tuple(map(tuple, edge)) for edge in zip(ring, np.roll(ring, -1, axis=0), strict=True)]
    known = set(edges)
    return [shapely.LineString(edge) for edge in edges if edge[::-1] in known and edge < edge[::-1]]


@settings(deadline=None)
@given(masks, st.sampled_from([0.0, 0.8]))
def test_a_ring_is_filled_as_its_polygon(mask: NDArray[np.bool_], tolerance: float) -> None:
    box = Window(0, 0, *mask.shape)
    for traced in trace(mask):
        shape = simplified(traced, tolerance).polygon if tolerance else traced
        ring = keyhole_ring(shape)
        expected = fill([shape], box)
        assert signed_area(ring) == pytest.approx(shape.area)
        np.testing.assert_array_equal(fill(repaired(Polygon(ring)), box), expected)
        if not tolerance:
            code = pycoco.merge(pycoco.frPyObjects([ring.ravel().tolist()], *mask.shape))
            np.testing.assert_array_equal(pycoco.decode(code), expected)


@settings(deadline=None)
@given(masks)
def test_a_ring_comes_back_with_all_holes(mask: NDArray[np.bool_]) -> None:
    for shape in trace(mask):
        (back,) = repaired(Polygon(keyhole_ring(shape)))
        assert len(back.holes) == len(shape.holes)
        assert back.area == pytest.approx(shape.area)


@settings(deadline=None)
@given(masks)
def test_bridges_cross_neither_borders_nor_one_another(mask: NDArray[np.bool_]) -> None:
    for shape in trace(mask):
        area = shapely.Polygon(shape.outline, shape.holes)
        found = bridges(keyhole_ring(shape))
        assert len(found) == len(shape.holes)
        assert all(area.covers(bridge) for bridge in found)
        assert shapely.unary_union(found).length == pytest.approx(sum(b.length for b in found))


def test_thousands_of_holes_in_a_row_take_no_deep_recursion() -> None:
    mask = np.ones((3, 3001), bool)
    mask[1, 1::2] = False
    (shape,) = trace(mask)
    ring = keyhole_ring(shape)
    assert len(shape.holes) == 1500
    assert signed_area(ring) == pytest.approx(shape.area)


def test_a_hole_outside_its_outline_is_refused() -> None:
    with pytest.raises(FormatError, match="outside its outline"):
        keyhole_ring(polygon(square(0, 0, 10), square(-9, 30, 2)))
