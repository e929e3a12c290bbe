"""Regions that grow from the leaves of a view, the most alike first, as a tree of merges."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.pointing.leaves import Leaves

_SIZE_POWER = 0.4  # small regions merge early: they are parts of something


@dataclass(frozen=True, slots=True)
class MergeTree:
    """Nodes 0 to leaves - 1 are the leaves, the others merges in order; the last one is all."""

    leaves: int
    parents: tuple[int, ...]  # -1 for the last
    children: tuple[tuple[int, int], ...]  # of node leaves + k
    unlike: tuple[float, ...]  # how unlike the two were that a node was made of; leaves have 0

    def path_up(self, node: int) -> list[int]:
        """The node and all that it became part of."""
        path = [node]
        while self.parents[path[-1]] >= 0:
            path.append(self.parents[path[-1]])
        return path

    def members(self, node: int) -> NDArray[np.bool_]:
        """(leaves,) which leaves a node holds."""
        held = np.zeros(self.leaves, bool)
        waiting = [node]
        while waiting:
            each = waiting.pop()
            if each < self.leaves:
                held[each] = True
            else:
                waiting.extend(self.children[each - self.leaves])
        return held


def grown_regions(leaves: Leaves) -> MergeTree:
    """Merge the two most alike neighbours until one region is left."""
    growth = _Growth(leaves)
    while growth.waiting:
        _, first, second = heapq.heappop(growth.waiting)
        if growth.borders[first] and growth.borders[second]:
            growth.merge(first, second)
    return growth.tree()


class _Growth:
    """The regions at work: how they look, and whom they touch."""

    def __init__(self, leaves: Leaves) -> None:
        self._leaves = len(leaves)
        self._sizes = leaves.areas.tolist()
        self._looks = list(leaves.looks)
        self._unlike = [0.0] * len(leaves)
        self._children: list[tuple[int, int]] = []
        # Neighbour -> length of the border and sum of the edge along it; None once merged away.
        self.borders: list[dict[int, tuple[float, float]]] = [{} for _ in range(len(leaves))]
        self.waiting: list[tuple[float, int, int]] = []
        rows = zip(
            leaves.pairs.tolist(), leaves.lengths.tolist(), leaves.edges.tolist(), strict=True
        )
        for (first, second), length, edge in rows:
            self.borders[first][second] = self.borders[second][first] = (length, length * edge)
            self.waiting.append((self._cost(first, second), first, second))
        heapq.heapify(self.waiting)

    def merge(self, first: int, second: int) -> None:
        merged = len(self._sizes)
        one, other = self._sizes[first], self._sizes[second]
        self._sizes.append(one + other)
        self._looks.append((self._looks[first] * one + self._looks[second] * other) / (one + other))
        self._unlike.append(self._difference(first, second))
        self._children.append((first, second))
        borders: dict[int, tuple[float, float]] = {}
        for part in (first, second):
            for neighbour, (length, edge) in self.borders[part].items():
                if neighbour not in (first, second):
                    before = borders.get(neighbour, (0.0, 0.0))
                    borders[neighbour] = (before[0] + length, before[1] + edge)
            self.borders[part] = {}
        self.borders.append(borders)
        for neighbour, border in borders.items():
            theirs = self.borders[neighbour]
            theirs.pop(first, None)
            theirs.pop(second, None)
            theirs[merged] = border
            heapq.heappush(self.waiting, (self._cost(merged, neighbour), merged, neighbour))

    def tree(self) -> MergeTree:
        parents = [-1] * len(self._sizes)
        for number, pair in enumerate(self._children, start=self._leaves):
            for child in pair:
                parents[child] = number
        return MergeTree(self._leaves, tuple(parents), tuple(self._children), tuple(self._unlike))

    def _cost(self, first: int, second: int) -> float:
        one, other = self._sizes[first], self._sizes[second]
        merged: float = (one * other / (one + other)) ** _SIZE_POWER
        return self._difference(first, second) * merged

    def _difference(self, first: int, second: int) -> float:
        length, edge = self.borders[first][second]
        apart = self._looks[first] - self._looks[second]
        return math.sqrt(apart @ apart) + edge / length
