"""Polygons with holes as one ring, for formats that know no holes.

The ring walks the outline, goes along a bridge to a hole, walks the hole (which turns the other
way) and returns along the same bridge. Fillers of either rule, even-odd and winding, leave the
hole empty.

Each bridge runs level from the leftmost vertex of its hole to the first border on its left. So it
crosses no border; and no two bridges cross or overlap, because each lies on its own stretch
between two neighbouring borders. The border it meets belongs to the outline or to a hole that
reaches further left: all holes hang together with the outline, without cycles.

`polygons.repaired` turns such a ring back into a polygon with holes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.errors import FormatError
from ovseg_annotate.geometry import Polygon, Ring

_ROUNDING = 1e-9  # px


@dataclass(frozen=True, slots=True)
class _Bridge:
    ring: int  # the one it leads to
    edge: int  # of that ring
    x: float  # where it ends; its height is that of the hole's first vertex
    along: float  # from the begin of the edge, 0 to 1


def keyhole_ring(polygon: Polygon) -> Ring:
    """One closed walk round the polygon and all its holes; the outline alone when it has none."""
    if not polygon.holes:
        return polygon.outline
    rings = _from_left(polygon)
    bridges = _bridges(rings)
    walks: dict[int, list[tuple[_Bridge, Ring]]] = {}
    # Later rings hang on earlier ones only, so each is complete before it is hung up.
    for number in range(len(rings) - 1, 0, -1):
        bridge = bridges[number - 1]
        loop = _with_loops(rings[number], walks.pop(number, []))
        end = np.array([[bridge.x, loop[0, 1]]])
        hung = np.concatenate((end, loop, loop[:1], end))
        walks.setdefault(bridge.ring, []).append((bridge, hung))
    return _without_repeats(_with_loops(rings[0], walks.get(0, [])))


def _from_left(polygon: Polygon) -> list[Ring]:
    """The outline, then the holes from left to right, each begun at its leftmost vertex."""
    holes = []
    for hole in polygon.holes:
        first = int(np.lexsort((hole[:, 1], hole[:, 0]))[0])
        holes.append(np.roll(hole, -first, axis=0))
    holes.sort(key=lambda hole: (float(hole[0, 0]), float(hole[0, 1])))
    return [polygon.outline, *holes]


def _bridges(rings: list[Ring]) -> list[_Bridge]:
    """For each hole the first border on the left, among the rings before it."""
    sizes = [len(ring) for ring in rings]
    begins = np.concatenate(rings)
    ends = np.concatenate([np.roll(ring, -1, axis=0) for ring in rings])
    owner = np.repeat(np.arange(len(rings)), sizes)
    first = np.cumsum([0, *sizes])
    found = []
    for number in range(1, len(rings)):
        x, y = rings[number][0]
        known = slice(0, int(first[number]))
        edge, at = _nearest_on_the_left(begins[known], ends[known], float(x), float(y))
        ring = int(owner[edge])
        (x0, y0), (x1, y1) = begins[edge], ends[edge]
        along = (at - x0) / (x1 - x0) if abs(x1 - x0) > abs(y1 - y0) else (y - y0) / (y1 - y0)
        found.append(_Bridge(ring, int(edge - first[ring]), at, float(along)))
    return found


def _nearest_on_the_left(
    begins: NDArray[np.float64], ends: NDArray[np.float64], x: float, y: float
) -> tuple[int, float]:
    """The edge that a level ray from (x, y) to the left meets first, and where."""
    (x0, y0), (x1, y1) = begins.T, ends.T
    level = y0 == y1
    rise = np.where(level, 1.0, y1 - y0)
    at = np.where(level, np.maximum(x0, x1), x0 + (y - y0) / rise * (x1 - x0))
    # A border that touches the hole may lie a rounding error to its right, or on both sides.
    reached = (np.minimum(x0, x1) <= x) & (level | (at <= x + _ROUNDING))
    met = (np.minimum(y0, y1) <= y) & (y <= np.maximum(y0, y1)) & reached
    if not met.any():
        raise FormatError(f"a hole at ({x:g}, {y:g}) lies outside its outline; repair the polygon")
    at = np.where(met, np.minimum(at, x), -np.inf)
    best = int(np.argmax(at))
    return best, float(at[best])


def _with_loops(ring: Ring, loops: list[tuple[_Bridge, Ring]]) -> Ring:
    """Walk the ring and, on the way, each loop where its bridge begins."""
    if not loops:
        return ring
    loops = sorted(loops, key=lambda loop: (loop[0].edge, loop[0].along))
    pieces, done = [], 0
    for bridge, loop in loops:
        pieces += [ring[done : bridge.edge + 1], loop]
        done = max(done, bridge.edge + 1)
    return np.concatenate((*pieces, ring[done:]))


def _without_repeats(ring: Ring) -> Ring:
    """Leave out a point that equals the one before it, as where a bridge ends on a vertex."""
    differs = (ring != np.roll(ring, 1, axis=0)).any(axis=1)
    kept: Ring = ring[differs]
    return kept
