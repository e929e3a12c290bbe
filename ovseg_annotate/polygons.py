"""Polygons of masks, masks of polygons, and polygons with fewer vertices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from ovseg_annotate import rasterise
from ovseg_annotate.errors import FormatError
from ovseg_annotate.geometry import Polygon, Ring, Window
from ovseg_annotate.region_options import VertexBudget
from ovseg_annotate.runs import components_of, runs_of
from ovseg_annotate.simplify import SimplifiedShapes, budgeted_shapes, fits, simplified_shapes
from ovseg_annotate.tracing import Shapes, traced

__all__ = [
    "Budgeted",
    "Simplified",
    "VertexBudget",
    "fill",
    "from_shapely",
    "repaired",
    "simplified",
    "to_shapely",
    "trace",
    "within_budget",
]

_MOST_CROSSINGS = 10_000  # of an outline with itself: a second of work
_EDGE_PAIRS_AT_ONCE = 50_000


@dataclass(frozen=True, slots=True, eq=False)
class Simplified:
    """A polygon with fewer vertices and what that cost."""

    polygon: Polygon
    iou: float  # 0 to 1, in pixels, with the polygon it was
    tolerance: float  # px; 0: as it was


@dataclass(frozen=True, slots=True, eq=False)
class Budgeted:
    """The polygons of a picture after a vertex budget, one for each and in order."""

    parts: tuple[Simplified, ...]
    vertices_before: int
    vertices: int
    reached: bool  # False when even triangles are too many; what missed it is unchanged

    @property
    def polygons(self) -> tuple[Polygon, ...]:
        return tuple(part.polygon for part in self.parts)

    @property
    def tolerance(self) -> float:
        """The largest that was needed, px."""
        return max((part.tolerance for part in self.parts), default=0.0)

    @property
    def worst_iou(self) -> float:
        return min((part.iou for part in self.parts), default=1.0)


def trace(mask: NDArray[np.bool_], top: int = 0, left: int = 0) -> tuple[Polygon, ...]:
    """Outline each 4-connected part of a mask whose corner is at (top, left).

    `fill` gives exactly the mask back. Parts come in reading order of their first pixel.
    """
    components = components_of(runs_of(mask))
    shapes = traced(components, np.flatnonzero(components.labels), "middles")
    return tuple(polygon.moved(left, top) for polygon in from_shapely(shapes))


def fill(polygons: Iterable[Polygon], box: Window) -> NDArray[np.bool_]:
    """Give the pixels of `box` whose centre any polygon covers, (height, width).

    A centre exactly on a border belongs to the polygon on its right or below it.
    """
    return rasterise.filled(to_shapely(tuple(polygons)), box)


def simplified(polygon: Polygon, tolerance: float, minimum_iou: float = 0.0) -> Simplified:
    """Leave vertices out, none further than `tolerance` px off; less where the IoU forbids it."""
    return _parts(simplified_shapes(to_shapely((polygon,)), tolerance, minimum_iou))[0]


def within_budget(polygons: Sequence[Polygon], budget: VertexBudget) -> Budgeted:
    """Simplify no more than it takes to bring all polygons of a picture under the budget."""
    shapes = to_shapely(polygons)
    unchanged = simplified_shapes(shapes, tolerance=0.0, minimum_iou=0.0)
    result = budgeted_shapes(shapes, unchanged, budget)
    reached = fits(result.shapes, budget)
    return Budgeted(_parts(result), result.vertices_before, result.vertices, reached)


def repaired(polygon: Polygon) -> tuple[Polygon, ...]:
    """The valid polygons of one that may touch or cross itself, such as a keyhole ring.

    Gives () for what has no area; raises FormatError for a scribble that no one can repair.
    """
    rings = [ring for ring in polygon.rings if len(np.unique(ring, axis=0)) >= 3]
    if not rings or rings[0] is not polygon.outline:
        return ()
    shape = shapely.Polygon(rings[0], rings[1:])
    if not shapely.is_valid(shape):
        _check_crossings(rings)
        shape = shapely.make_valid(shape, method="structure", keep_collapsed=False)
    parts = shapely.get_parts(np.array([shape]))
    is_polygon = shapely.get_type_id(parts) == shapely.GeometryType.POLYGON
    return from_shapely(parts[is_polygon & ~shapely.is_empty(parts)])


def _check_crossings(rings: Sequence[Ring]) -> None:
    """Refuse what would take minutes and gigabytes: every crossing becomes a vertex.

    Edges that only touch, as those of a keyhole ring do, cost nothing.
    """
    edges = np.concatenate([_edges_of(ring) for ring in rings])
    allowed = _MOST_CROSSINGS + len(edges)
    tree = shapely.STRtree(edges)
    at_once = max(16, _EDGE_PAIRS_AT_ONCE // len(edges))
    found = 0
    for first in range(0, len(edges), at_once):
        some = edges[first : first + at_once]
        one, other = tree.query(some, predicate="intersects")
        # Each edge also meets itself, and every pair is found from both of its ends.
        found += int((~shapely.touches(some[one], edges[other])).sum()) - len(some)
        if found > 2 * allowed:
            raise FormatError(
                f"an outline of {len(edges)} points crosses itself more than {allowed} times; "
                "draw it again, or leave it out"
            )


def _edges_of(ring: Ring) -> Shapes:
    edges: Shapes = shapely.linestrings(np.stack((ring, np.roll(ring, -1, axis=0)), axis=1))
    return edges


def to_shapely(polygons: Sequence[Polygon]) -> Shapes:
    """The same polygons for shapely, (n,)."""
    shapes: Shapes = np.empty(len(polygons), object)
    shapes[:] = [shapely.Polygon(each.outline, each.holes) for each in polygons]
    return shapes


def from_shapely(shapes: Shapes) -> tuple[Polygon, ...]:
    """The same polygons with our orientation; every shape must be a polygon that is not empty."""
    if len(shapes) == 0:
        return ()
    _, points, (rings, polygons) = shapely.to_ragged_array(shapely.orient_polygons(shapes))
    bounds = zip(rings[:-1].tolist(), rings[1:].tolist(), strict=True)
    parts = [points[begin : end - 1].copy() for begin, end in bounds]
    groups = zip(polygons[:-1].tolist(), polygons[1:].tolist(), strict=True)
    return tuple(Polygon(parts[a], tuple(parts[a + 1 : b])) for a, b in groups)


def _parts(result: SimplifiedShapes) -> tuple[Simplified, ...]:
    polygons = from_shapely(result.shapes)
    numbers = zip(polygons, result.iou.tolist(), result.tolerances.tolist(), strict=True)
    return tuple(Simplified(*each) for each in numbers)
