"""Fewer vertices: by a tolerance that a least IoU holds back, or down to a vertex budget.

Works on arrays of valid shapely polygons, one result for each in the same order; a result that
would not be valid is not taken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import shapely
from numpy.typing import NDArray

from ovseg_annotate.rasterise import Footprints
from ovseg_annotate.region_options import VertexBudget
from ovseg_annotate.tracing import Shapes

SMALLEST_SIMPLIFIED = 32.0  # px^2; below, one vertex less costs percents of the IoU
_FINEST_TOLERANCE = 0.1  # px; below, a traced outline keeps all its vertices
# A search for a tolerance ends this near: further, it takes longer than the vertices are worth.
_NEAR = 0.05  # px
_SPENT = 0.98  # of a vertex budget

# Vertices that polygons have left when they are simplified by a tolerance each.
_Counted: TypeAlias = Callable[[Shapes, NDArray[np.float64]], NDArray[np.int64]]


@dataclass(frozen=True, slots=True, eq=False)
class SimplifiedShapes:
    """What became of each polygon."""

    shapes: Shapes  # (n,)
    iou: NDArray[np.float64]  # (n,) 0 to 1, in pixels, with the polygon it was
    tolerances: NDArray[np.float64]  # (n,) px; 0: as it was
    vertices_before: int

    @property
    def vertices(self) -> int:
        return int(vertex_counts(self.shapes).sum())

    def taken(self, chosen: NDArray[np.int64]) -> SimplifiedShapes:
        return SimplifiedShapes(
            self.shapes[chosen], self.iou[chosen], self.tolerances[chosen], self.vertices_before
        )


def vertex_counts(shapes: Shapes) -> NDArray[np.int64]:
    """Vertices of each polygon, without the repeated ends of its rings."""
    rings = 1 + shapely.get_num_interior_rings(shapes)
    return np.asarray(shapely.get_num_coordinates(shapes) - rings, np.int64)


def fits(shapes: Shapes, budget: VertexBudget) -> bool:
    counts = vertex_counts(shapes)
    alone = budget.per_polygon is None or counts.max(initial=0) <= budget.per_polygon
    return bool(alone and (budget.total is None or counts.sum() <= budget.total))


def simplified_shapes(shapes: Shapes, tolerance: float, minimum_iou: float) -> SimplifiedShapes:
    """Simplify by `tolerance` (px), less where the IoU would fall under its limit."""
    iou, tolerances = np.ones(len(shapes)), np.zeros(len(shapes))
    found = SimplifiedShapes(shapes.copy(), iou, tolerances, int(vertex_counts(shapes).sum()))
    if tolerance < _FINEST_TOLERANCE:
        return found
    footprints = Footprints.of(shapes)
    pending = np.flatnonzero(shapely.area(shapes) >= SMALLEST_SIMPLIFIED)
    while len(pending) and tolerance >= _FINEST_TOLERANCE:
        attempts = _simpler(shapes[pending], tolerance)
        agree = footprints.agreement(pending, attempts)
        good = agree >= minimum_iou
        found.shapes[pending[good]], iou[pending[good]] = attempts[good], agree[good]
        tolerances[pending[good]] = tolerance
        pending, tolerance = pending[~good], tolerance / 2
    return found


def budgeted_shapes(
    shapes: Shapes, simplified: SimplifiedShapes, budget: VertexBudget
) -> SimplifiedShapes:
    """Raise the tolerances just so far that the budget is met.

    `simplified` was made of `shapes`. What exceeds the budget even as triangles stays as it is.
    """
    quick = _budgeted(shapes, simplified, budget, _vertices_by_rings)
    told = _vertices_by_rings(shapes, quick.tolerances)
    if fits(quick.shapes, budget) or np.array_equal(told, vertex_counts(quick.shapes)):
        return quick
    # Polygons whose simpler rings cross keep more vertices than the quick count knew.
    return _budgeted(shapes, simplified, budget, lambda *some: vertex_counts(_simpler(*some)))


def _budgeted(
    shapes: Shapes, simplified: SimplifiedShapes, budget: VertexBudget, counted: _Counted
) -> SimplifiedShapes:
    tolerances, counts = simplified.tolerances, vertex_counts(simplified.shapes)
    if budget.per_polygon is not None:
        alone = np.arange(len(shapes))
        search = _Search(shapes, alone, budget.per_polygon, counted)
        tolerances = search.raised(tolerances, counts)
        changed = np.flatnonzero(tolerances > simplified.tolerances)
        counts[changed] = counted(shapes[changed], tolerances[changed])
    if budget.total is not None:
        together = np.zeros(len(shapes), np.int64)
        search = _Search(shapes, together, budget.total, counted)
        tolerances = search.raised(tolerances, counts)
    changed = np.flatnonzero(tolerances > simplified.tolerances)
    results, iou = simplified.shapes.copy(), simplified.iou.copy()
    attempts = _simpler(shapes[changed], tolerances[changed])
    results[changed] = attempts
    iou[changed] = Footprints.of(shapes[changed]).agreement(np.arange(len(changed)), attempts)
    applied = simplified.tolerances.copy()
    applied[changed] = tolerances[changed]
    return SimplifiedShapes(results, iou, applied, simplified.vertices_before)


def _vertices_by_rings(shapes: Shapes, tolerances: NDArray[np.float64]) -> NDArray[np.int64]:
    """Vertices of each polygon made simpler, without a look for crossings."""
    rings, owners = shapely.get_rings(shapes, return_index=True)
    vertices = shapely.get_num_coordinates(_simpler_rings(rings, tolerances[owners])) - 1
    return np.bincount(owners, vertices, len(shapes)).astype(np.int64)


def _simpler(shapes: Shapes, tolerances: NDArray[np.float64] | float) -> Shapes:
    """Leave vertices out, none further than its tolerance off; every result is a valid polygon.

    Ring by ring takes a fraction of the time of the walk that looks out for crossings, and most
    results have none.
    """
    each = np.broadcast_to(tolerances, shapes.shape)
    rings, owners = shapely.get_rings(shapes, return_index=True)
    simpler: Shapes = shapely.polygons(_simpler_rings(rings, each[owners]), indices=owners)
    crossed = ~shapely.is_valid(simpler)
    if crossed.any():
        careful = shapely.simplify(shapes[crossed], each[crossed])
        simpler[crossed] = np.where(shapely.is_valid(careful), careful, shapes[crossed])
    return simpler


def _simpler_rings(rings: Shapes, tolerances: NDArray[np.float64]) -> Shapes:
    """Each ring by itself; of one that would vanish a triangle stays."""
    fewer: Shapes = shapely.simplify(rings, tolerances, preserve_topology=False)
    is_ring = shapely.get_type_id(fewer) == shapely.GeometryType.LINEARRING
    vanished = ~is_ring | shapely.is_empty(fewer)
    fewer[vanished] = shapely.simplify(rings[vanished], tolerances[vanished])
    return fewer


@dataclass(frozen=True, slots=True, eq=False)
class _Search:
    """For one small tolerance a group of shapes so that the group has at most `limit` vertices."""

    shapes: Shapes
    groups: NDArray[np.int64]  # (n,) the group of each shape
    limit: int
    counted: _Counted

    def raised(
        self, tolerances: NDArray[np.float64], vertices: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """The tolerances of the shapes, which have `vertices` (n,) at those given."""
        if len(self.shapes) == 0:
            return tolerances
        limit, counts = self.limit, np.bincount(self.groups, vertices).astype(np.int64)
        over = counts > limit
        left, top, right, bottom = shapely.total_bounds(self.shapes)
        largest = max(right - left, bottom - top)

        def vertices_at(trial: NDArray[np.float64], asked: NDArray[np.bool_]) -> NDArray[np.int64]:
            members = np.flatnonzero(asked[self.groups])
            of = self.groups[members]
            wanted = np.maximum(tolerances[members], trial[of])
            found = self.counted(self.shapes[members], wanted)
            return np.bincount(of, found, len(counts)).astype(np.int64)

        # A guess to begin with: vertices fall somewhat more slowly than the tolerance grows.
        low, high = np.zeros(len(counts)), np.where(over, 0.5 * (counts / limit) ** 1.25, 0.0)
        many, few = counts, vertices_at(high, over)
        while (wider := (few > limit) & (high <= largest)).any():
            low, many = np.where(wider, high, low), np.where(wider, few, many)
            high = np.where(wider, 2 * high, high)
            few = np.where(wider, vertices_at(high, wider), few)
        enough = over & (few <= limit)
        while (loose := enough & (few < _SPENT * limit) & (high - low > _NEAR)).any():
            # Over so short a way vertices fall about exponentially; never by less than a fifth.
            share = np.log(many[loose] / limit) / np.log(many[loose] / few[loose])
            trial = high.copy()
            trial[loose] = low[loose] + (high - low)[loose] * np.clip(share, 0.2, 0.8)
            found = vertices_at(trial, loose)
            fits_now, still_over = loose & (found <= limit), loose & (found > limit)
            low, many = np.where(still_over, trial, low), np.where(still_over, found, many)
            high, few = np.where(fits_now, trial, high), np.where(fits_now, found, few)
        return np.maximum(tolerances, np.where(enough, high, 0.0)[self.groups])
