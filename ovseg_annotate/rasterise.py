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


@dataclass(frozen=True, slots=True, eq=False)
class Footprints:
    """The pixels of some polygons, kept to compare them with what is made of these."""

    box: Window
    runs: OwnedRuns
    areas: NDArray[np.int64]  # (n,) px

    @classmethod
    def of(cls, shapes: Shapes) -> Footprints:
        box = Window(0, 0, 0, 0)
        if len(shapes):
            left, top, right, bottom = shapely.total_bounds(shapes)
            top, left = int(np.floor(top)), int(np.floor(left))
            box = Window(top, left, int(np.ceil(bottom)) - top, int(np.ceil(right)) - left)
        runs = covered(shapes, np.arange(len(shapes)), box)
        areas = np.bincount(runs.owners, runs.lengths, len(shapes)).astype(np.int64)
        return cls(box, runs, areas)

    def agreement(self, numbers: NDArray[np.int64], others: Shapes) -> NDArray[np.float64]:
        """The IoU in pixels of the polygons of these numbers with others; 1 when both are empty.

        The others must lie within the bounds of all, as what has lost vertices does.
        """
        second = covered(others, numbers, self.box)
        common = self._before(second.stops) - self._before(second.starts)
        count = len(self.areas)
        shared = np.bincount(second.owners, common, count)[numbers]
        areas = np.bincount(second.owners, second.lengths, count)[numbers]
        union = self.areas[numbers] + areas - shared
        iou = np.ones(len(numbers))
        np.divide(shared, union, out=iou, where=union > 0)
        return iou

    def _before(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Count the pixels that come before each position."""
        total = np.append(0, np.cumsum(self.runs.lengths))
        number = np.searchsorted(self.runs.starts, positions, side="right")
        excess = np.append(self.runs.stops, 0)[number - 1] - positions
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
