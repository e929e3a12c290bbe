"""Outlines of the components of a run map, all at once.

Every border of a component is walked with the component on the right hand, so that outlines have
a positive shoelace sum and holes a negative one. Two kinds of vertices come out of one walk:

- "middles": the middle of every unit border, the iso-line at 0.5 that `find_contours` gives for a
  padded mask. Where two pixels of a component touch at a corner only, the line keeps them apart.
- "corners": the corners of the pixels, and every point where three or more components meet, so
  that neighbours have the same vertices along their border.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, depth_first_order

from ovseg_annotate.runs import OUTSIDE, Components, RunMap, touching

Vertices: TypeAlias = Literal["middles", "corners"]
Shapes: TypeAlias = NDArray[Any]  # (n,) of shapely polygons

_BATCH_RUNS = 1 << 21  # of "middles"; bounds the memory of one walk to about a gigabyte

# Directions in the order of a right turn: +x, +y, -x, -y (y points down).
_EAST, _SOUTH, _WEST, _NORTH = range(4)
_STEPS = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)], np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class _Borders:
    """Straight pieces of border, each walked with its owner on the right hand."""

    owners: NDArray[np.int64]  # (pieces,) component
    begins: NDArray[np.int64]  # (pieces, 2) whole (x, y)
    ends: NDArray[np.int64]  # (pieces, 2)
    directions: NDArray[np.int64]  # (pieces,) 0 to 3

    def taken(self, order: NDArray[np.int64]) -> _Borders:
        return _Borders(
            self.owners[order], self.begins[order], self.ends[order], self.directions[order]
        )


def traced(components: Components, wanted: NDArray[np.int64], vertices: Vertices) -> Shapes:
    """Give the polygon of each wanted component, in the order of `wanted` (ascending).

    Neighbours have the same "corners" when both are wanted.
    """
    # Junctions are known only when all neighbours are walked together.
    limit = _BATCH_RUNS if vertices == "middles" else len(components.runs.values) + 1
    shapes = [np.empty(0, object)]
    for chosen in _batches(components, wanted, limit):
        borders = _borders(components.runs, chosen)
        borders, sizes = _walked(borders, components.runs, vertices)
        points, sizes = (
            _middles(borders, sizes) if vertices == "middles" else _corners(borders, sizes)
        )
        shapes.append(_assembled(points, sizes))
    return np.concatenate(shapes)


def _batches(
    components: Components, wanted: NDArray[np.int64], limit: int
) -> Iterator[NDArray[np.int64]]:
    """Share the runs of the wanted components out, whole components at a time."""
    owners = components.runs.values
    counts = np.bincount(owners, minlength=len(components))[wanted]
    batch = np.full(len(components), -1, np.int64)
    batch[wanted] = np.cumsum(counts) // limit
    of_run = batch[owners]
    for number in np.unique(batch[wanted]):
        yield np.flatnonzero(of_run == number)


def _borders(runs: RunMap, chosen: NDArray[np.int64]) -> _Borders:
    width = runs.size.width
    rows, left = np.divmod(runs.starts[chosen], width)
    right = left + runs.stops[chosen] - runs.starts[chosen]
    owner = runs.values[chosen]
    pieces = [
        (owner, left, rows + 1, left, rows, _NORTH),
        (owner, right, rows, right, rows + 1, _SOUTH),
    ]
    for step, direction in ((-1, _EAST), (1, _WEST)):
        near = touching(runs, chosen, step)
        differs = (near.others == OUTSIDE) | (runs.values[near.others] != runs.values[near.runs])
        rows, left = np.divmod(near.starts[differs], width)
        right = left + (near.stops - near.starts)[differs]
        owner = runs.values[near.runs[differs]]
        if direction == _EAST:
            pieces.append((owner, left, rows, right, rows, _EAST))
        else:
            pieces.append((owner, right, rows + 1, left, rows + 1, _WEST))
    return _Borders(
        np.concatenate([piece[0] for piece in pieces]).astype(np.int64),
        np.concatenate([np.stack(piece[1:3], axis=1) for piece in pieces]),
        np.concatenate([np.stack(piece[3:5], axis=1) for piece in pieces]),
        np.concatenate([np.full(len(piece[0]), piece[5]) for piece in pieces]),
    )


def _walked(
    borders: _Borders, runs: RunMap, vertices: Vertices
) -> tuple[_Borders, NDArray[np.int64]]:
    """Put the pieces in walking order, ring after ring; an outline comes before its holes."""
    count = len(borders.owners)
    following = _following(borders, runs, vertices)
    steps = csr_array((np.ones(count, np.int8), following, np.arange(count + 1)))
    rings, ring = connected_components(steps, connection="weak")
    first = np.empty(rings, np.int64)
    first[ring[::-1]] = np.arange(count)[::-1]  # the last one written is the first piece
    (x0, y0), (x1, y1) = borders.begins.T, borders.ends.T
    hole = np.bincount(ring, x0 * y1 - x1 * y0, rings) < 0
    order = np.lexsort((first, hole, borders.owners[first]))
    # Cut each ring open before its first piece and lead on to the next ring: one path is left.
    last = np.empty(count, np.int64)
    last[following] = np.arange(count)
    path = following.copy()
    path[last[first[order[:-1]]]] = first[order[1:]]
    steps = csr_array((np.ones(count, np.int8), path, np.arange(count + 1)))
    walk = depth_first_order(steps, first[order[0]], return_predecessors=False)
    return borders.taken(walk), np.bincount(ring, minlength=rings)[order]


def _following(borders: _Borders, runs: RunMap, vertices: Vertices) -> NDArray[np.int64]:
    """Say for each piece which one goes on where it ends.

    Where an owner holds two pixels that touch at a corner only, two pieces end and two begin:
    a right turn keeps the pixels apart, a left turn joins them. "corners" turn left: a ring that
    turned right would touch itself there, which is not a valid polygon.
    """
    turn = 1 if vertices == "middles" else -1
    across = runs.size.width + 1
    spot = borders.owners * (across * (runs.size.height + 1))
    at_end = spot + borders.ends[:, 1] * across + borders.ends[:, 0]
    at_begin = spot + borders.begins[:, 1] * across + borders.begins[:, 0]
    ending = np.argsort(at_end * 4 + borders.directions)
    beginning = np.argsort(at_begin * 4 + (borders.directions - turn) % 4)
    following = np.empty(len(ending), np.int64)
    following[ending] = beginning
    return following


def _middles(
    borders: _Borders, sizes: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Take the middles of the first and last unit of each piece; leave out straight passages."""
    half = 0.5 * _STEPS[borders.directions]
    points = np.stack((borders.begins + half, borders.ends - half), axis=1).reshape(-1, 2)
    ring = np.repeat(np.arange(len(sizes)), 2 * sizes)
    differs = np.ones(len(points), np.bool_)
    differs[1::2] = np.abs(borders.ends - borders.begins).sum(axis=1) > 1
    points, ring = points[differs], ring[differs]
    following = _next_in_ring(np.bincount(ring))
    after = points[following] - points
    before = np.empty_like(after)
    before[following] = after
    bends = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    return points[bends], np.bincount(ring[bends], minlength=len(sizes))


def _corners(
    borders: _Borders, sizes: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Take the points where this ring bends or, at a junction, the ring of a neighbour does."""
    ring = np.repeat(np.arange(len(sizes)), sizes)
    before = np.empty_like(borders.directions)
    before[_next_in_ring(sizes)] = borders.directions
    bends = before != borders.directions
    across = int(borders.begins[:, 0].max()) + 1
    spot = borders.begins[:, 1] * across + borders.begins[:, 0]
    is_corner = np.zeros(int(spot.max()) + 1, np.bool_)
    is_corner[spot[bends]] = True
    kept = is_corner[spot]
    return borders.begins[kept].astype(np.float64), np.bincount(ring[kept], minlength=len(sizes))


def _next_in_ring(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    following = np.arange(1, sizes.sum() + 1)
    ends = np.cumsum(sizes)
    following[ends - 1] = ends - sizes
    return following


def _assembled(points: NDArray[np.float64], sizes: NDArray[np.int64]) -> Shapes:
    """Make polygons of rings; each outline is followed by its own holes."""
    begins = np.cumsum(sizes) - sizes
    closed = np.insert(points, begins + sizes, points[begins], axis=0)
    offsets = np.append(0, np.cumsum(sizes + 1))
    x, y = closed.T
    doubled = np.append(x[:-1] * y[1:] - x[1:] * y[:-1], 0.0)
    doubled[offsets[1:] - 1] = 0.0  # from one ring to the next
    outlines = np.flatnonzero(np.add.reduceat(doubled, offsets[:-1]) > 0)
    polygons = np.append(outlines, len(sizes))
    shapes: Shapes = shapely.from_ragged_array(
        shapely.GeometryType.POLYGON, closed, (offsets, polygons)
    )
    return shapes
