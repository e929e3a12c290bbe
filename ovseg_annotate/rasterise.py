"""From polygons to pixels by the rule of the house: a pixel is inside when its centre is.

A centre that lies exactly on a border belongs to the polygon on its right or, on a level border,
to the one below. The crossing of a border with a row does not depend on the way it is walked, so
polygons that share a border share no pixel and leave none out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from ovseg_annotate.geometry import Size, Window
from ovseg_annotate.runs import painted, ranges
from ovseg_annotate.tracing import Shapes


@dataclass(frozen=True, slots=True, eq=False)
class OwnedRuns:
    """Pixels of several polygons on one axis: (owner * height + row) * (width + 1) + column."""

    size: Size
    starts: NDArray[np.int64]  # ascending
    stops: NDArray[np.int64]

    @property
    def owners(self) -> NDArray[np.int64]:
        return self.starts // ((self.size.width + 1) * self.size.height)

    @property
    def lengths(self) -> NDArray[np.int64]:
        return self.stops - self.starts


def filled(shapes: Shapes, box: Window) -> NDArray[np.bool_]:
    """Give the pixels of `box` that any of the polygons covers; what is outside is cut off."""
    runs = covered(shapes, np.zeros(len(shapes), np.int64), box)
    gap = runs.starts // (box.width + 1)  # one position a row lies outside the box
    return painted(runs.starts - gap, runs.stops - gap, box.size)


def covered(shapes: Shapes, owners: NDArray[np.int64], box: Window) -> OwnedRuns:
    """Find the pixels of each owner; an owner of several polygons has their union."""
    if len(shapes) == 0 or box.height == 0 or box.width == 0:
        return OwnedRuns(box.size, np.empty(0, np.int64), np.empty(0, np.int64))
    keys, signs = _crossings(shapes, owners, box)
    order = np.argsort(keys)
    keys, winding = keys[order], np.cumsum(signs[order])
    last = np.append(keys[1:] != keys[:-1], True)[: len(keys)]  # of those at one position
    keys, inside = keys[last], winding[last] != 0
    before = np.append(False, inside[:-1])[: len(keys)]
    return OwnedRuns(box.size, keys[inside & ~before], keys[~inside & before])


def agreement(one: Shapes, other: Shapes) -> NDArray[np.float64]:
    """The IoU in pixels of each pair of polygons; 1 when neither holds a pixel centre."""
    if len(one) == 0:
        return np.empty(0)
    left, top, right, bottom = shapely.total_bounds(np.concatenate((one, other)))
    top, left = int(np.floor(top)), int(np.floor(left))
    box = Window(top, left, int(np.ceil(bottom)) - top, int(np.ceil(right)) - left)
    numbers = np.arange(len(one))
    first, second = covered(one, numbers, box), covered(other, numbers, box)
    areas = [np.bincount(runs.owners, runs.lengths, len(one)) for runs in (first, second)]
    common = _covered_before(first, second.stops) - _covered_before(first, second.starts)
    shared = np.bincount(second.owners, common, len(one))
    union = areas[0] + areas[1] - shared
    iou = np.ones(len(one))
    np.divide(shared, union, out=iou, where=union > 0)
    return iou


def _covered_before(runs: OwnedRuns, positions: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count the pixels of `runs` that come before each position."""
    total = np.append(0, np.cumsum(runs.lengths))
    number = np.searchsorted(runs.starts, positions, side="right")
    excess = np.append(runs.stops, 0)[number - 1] - positions
    return total[number] - np.where(number > 0, np.maximum(excess, 0), 0)


def _crossings(
    shapes: Shapes, owners: NDArray[np.int64], box: Window
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where borders cross the lines of pixel centres: positions, and +1 on the way in."""
    _, points, (rings, polygons) = shapely.to_ragged_array(shapely.orient_polygons(shapes))
    points = points[:, :2] - (box.left, box.top)
    ring_owners = np.repeat(owners, np.diff(polygons))
    point_owners = np.repeat(ring_owners, np.diff(rings))
    within = np.ones(len(points) - 1, np.bool_)
    within[rings[1:-1] - 1] = False  # from one ring to the next
    begin, end, owner = points[:-1][within], points[1:][within], point_owners[:-1][within]

    upwards = end[:, 1] < begin[:, 1]
    high = np.where(upwards[:, None], end, begin)  # the end with the smaller y
    low = np.where(upwards[:, None], begin, end)
    first = np.clip(np.ceil(high[:, 1] - 0.5), 0, box.height).astype(np.int64)
    stop = np.clip(np.ceil(low[:, 1] - 0.5), 0, box.height).astype(np.int64)
    counts = stop - first
    edge = np.repeat(np.arange(len(counts)), counts)
    row = ranges(first, counts)
    slope = np.zeros(len(counts))
    rise = low[:, 1] - high[:, 1]
    np.divide(low[:, 0] - high[:, 0], rise, out=slope, where=counts > 0)
    x = high[edge, 0] + (row + 0.5 - high[edge, 1]) * slope[edge]
    column = np.clip(np.ceil(x - 0.5), 0, box.width).astype(np.int64)
    keys = (owner[edge] * box.height + row) * (box.width + 1) + column
    return keys, np.where(upwards, 1, -1)[edge]
