"""A label map as runs: the pieces of rows on which one value stands.

Components, borders, sums and outlines need only the ends of runs, so work and memory grow with
the borders of a map and not with its pixels. Rows are cut from one another by definition, so a
map is read in bands that leave no seams.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from ovseg_annotate.geometry import Size, Window

OUTSIDE = -1  # the "run" beyond the frame
_BAND_PIXELS = 1 << 22


@dataclass(frozen=True, slots=True, eq=False)
class RunMap:
    """Runs that tile a map in reading order; neighbours in a row differ in value."""

    size: Size
    bounds: NDArray[np.int64]  # (runs + 1,) positions (row * width + column) where runs meet
    values: NDArray[np.int32]  # (runs,) a label, or the number of a component

    @property
    def starts(self) -> NDArray[np.int64]:
        """The position of the first pixel of each run."""
        return self.bounds[:-1]

    @property
    def stops(self) -> NDArray[np.int64]:
        """One past the last pixel of each run."""
        return self.bounds[1:]

    def with_values(self, values: NDArray[np.int32]) -> RunMap:
        """The same pixels with other values; neighbours that became equal are joined."""
        first = self.starts % self.size.width == 0
        first[1:] |= values[1:] != values[:-1]
        return RunMap(self.size, np.append(self.starts[first], self.size.area), values[first])


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """The 4-connected parts of a map, numbered in reading order of their first pixel."""

    runs: RunMap  # its values are the numbers of the components
    labels: NDArray[np.int32]  # (components,)
    areas: NDArray[np.int64]  # (components,) pixels

    def __len__(self) -> int:
        return len(self.labels)

    def members(self) -> list[NDArray[np.int64]]:
        """The numbers of the runs of each component, ascending."""
        order = np.argsort(self.runs.values, kind="stable")
        counts = np.bincount(self.runs.values, minlength=len(self))
        return np.split(order, np.cumsum(counts)[:-1]) if len(self) else []

    def totals(self, pixels: NDArray[Any]) -> NDArray[np.float64]:
        """The sum over the pixels of each component."""
        sums = np.bincount(self.runs.values, _sums(self.runs, pixels), len(self))
        return sums.astype(np.float64, copy=False)  # integers when there are no components


@dataclass(frozen=True, slots=True, eq=False)
class Touching:
    """Pieces of border between runs and what is above (or below) them."""

    runs: NDArray[np.int64]  # (pieces,) numbers of runs
    others: NDArray[np.int64]  # (pieces,) numbers of the runs beyond, or OUTSIDE
    starts: NDArray[np.int64]  # (pieces,) position of the first pixel, in the row of `runs`
    stops: NDArray[np.int64]  # (pieces,) one past the last


def runs_of(labels: NDArray[Any]) -> RunMap:
    """Read the runs of a (height, width) array of bool or integers."""
    size = Size(*labels.shape)
    starts: list[NDArray[np.int64]] = []
    values: list[NDArray[np.int32]] = [np.empty(0, np.int32)]
    for rows in _bands(size):
        band = labels[rows]
        first = np.ones(band.shape, np.bool_)
        np.not_equal(band[:, 1:], band[:, :-1], out=first[:, 1:])
        starts.append(np.flatnonzero(first) + rows.start * size.width)
        values.append(band[first].astype(np.int32))
    bounds = np.concatenate((*starts, [size.area]))
    return RunMap(size, bounds, np.concatenate(values))


def components_of(runs: RunMap) -> Components:
    """Join runs of one value that touch above or below."""
    count = len(runs.values)
    if count == 0:
        return Components(runs, np.empty(0, np.int32), np.empty(0, np.int64))
    above = touching(runs, np.arange(count), -1)
    same = (above.others != OUTSIDE) & (runs.values[above.others] == runs.values[above.runs])
    links = np.zeros(count + 1, np.int64)
    np.cumsum(np.bincount(above.runs[same], minlength=count), out=links[1:])
    joined = (np.ones(links[-1], np.int8), above.others[same].astype(np.int32), links)
    graph = csr_array(joined, shape=(count, count))
    total, numbers = connected_components(graph, directed=False)
    first = np.empty(total, np.int64)
    first[numbers[::-1]] = np.arange(count)[::-1]  # the last one written is the first run
    order = np.argsort(first)
    rank = np.empty(total, np.int32)
    rank[order] = np.arange(total)
    owners = rank[numbers]
    areas = np.bincount(owners, np.diff(runs.bounds), total).astype(np.int64)
    return Components(RunMap(runs.size, runs.bounds, owners), runs.values[first[order]], areas)


def touching(runs: RunMap, chosen: NDArray[np.int64], step: int) -> Touching:
    """What stands above (`step` -1) or below (+1) the chosen runs, piece by piece."""
    shift = step * runs.size.width
    starts, stops = runs.starts[chosen], runs.stops[chosen]
    inside = (starts + shift >= 0) & (starts + shift < runs.size.area)
    beyond = chosen[~inside]
    starts, stops, chosen = starts[inside] + shift, stops[inside] + shift, chosen[inside]
    first = np.searchsorted(runs.starts, starts, side="right") - 1
    counts = np.searchsorted(runs.starts, stops, side="left") - first
    others = ranges(first, counts)
    own = np.repeat(np.arange(len(chosen)), counts)
    begins = np.maximum(starts[own], runs.starts[others])
    ends = np.minimum(stops[own], runs.stops[others])
    return Touching(
        np.concatenate((chosen[own], beyond)),
        np.concatenate((others, np.full(len(beyond), OUTSIDE))),
        np.concatenate((begins - shift, runs.starts[beyond])),
        np.concatenate((ends - shift, runs.stops[beyond])),
    )


def ranges(first: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Join the ranges first[i], first[i] + 1, ... of the given counts."""
    before = np.cumsum(counts) - counts
    places: NDArray[np.int64] = np.repeat(first - before, counts)
    places += np.arange(len(places))
    return places


def painted(starts: NDArray[np.int64], stops: NDArray[np.int64], size: Size) -> NDArray[np.bool_]:
    """Paint ascending runs of positions into a (height, width) mask."""
    ends = np.empty(2 * len(starts) + 2, np.int64)
    ends[0], ends[-1] = 0, size.area
    ends[1:-1:2], ends[2:-1:2] = starts, stops
    inside = np.zeros(len(ends) - 1, np.bool_)
    inside[1::2] = True
    return np.repeat(inside, np.diff(ends)).reshape(size.height, size.width)


def box_of(runs: RunMap, chosen: NDArray[np.int64]) -> Window:
    """The tight box of the chosen runs (ascending, at least one)."""
    rows, left = np.divmod(runs.starts[chosen], runs.size.width)
    right = left + runs.stops[chosen] - runs.starts[chosen]
    height = int(rows[-1] - rows[0]) + 1
    return Window(int(rows[0]), int(left.min()), height, int(right.max() - left.min()))


def painted_in(box: Window, runs: RunMap, chosen: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Paint the chosen runs (ascending) into a box that holds them."""
    rows, left = np.divmod(runs.starts[chosen], runs.size.width)
    starts = (rows - box.top) * box.width + left - box.left
    return painted(starts, starts + runs.stops[chosen] - runs.starts[chosen], box.size)


def _sums(runs: RunMap, pixels: NDArray[Any]) -> NDArray[np.float64]:
    totals = np.empty(len(runs.values), np.float64)
    for rows in _bands(runs.size):
        first, last = np.searchsorted(
            runs.starts, (rows.start * runs.size.width, rows.stop * runs.size.width)
        )
        band = pixels[rows].astype(np.float64).ravel()
        positions = runs.starts[first:last] - rows.start * runs.size.width
        totals[first:last] = np.add.reduceat(band, positions)
    return totals


def _bands(size: Size) -> Iterator[slice]:
    if size.area == 0:
        return
    height = max(1, _BAND_PIXELS // size.width)
    for top in range(0, size.height, height):
        yield slice(top, min(top + height, size.height))
