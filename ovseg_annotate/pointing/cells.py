"""The vectors of a picture's cells, and how much of each cell a mark covers. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.geometry import Size, Window
from ovseg_annotate.pointing.marks import BoxMark, Mark, PointMark, window_of
from ovseg_annotate.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Grid:
    """A part of the cells that lie over a picture."""

    picture: Size
    whole: Size  # cells over the whole picture
    part: Window  # those that are meant, in cells

    @property
    def cell(self) -> tuple[float, float]:
        """Height and width of a cell in px of the picture."""
        return (
            self.picture.height / self.whole.height,
            self.picture.width / self.whole.width,
        )


@dataclass(frozen=True, slots=True, eq=False)
class CellVectors:
    """A unit vector for each cell of a part of a picture, in the space of the phrases."""

    values: NDArray[np.float32]  # (rows, columns, width)
    grid: Grid

    @property
    def flat(self) -> NDArray[np.float32]:
        """(cells, width), row by row."""
        return self.values.reshape(-1, self.values.shape[-1])

    def with_values(self, flat: NDArray[np.float32]) -> CellVectors:
        """One number for each cell, row by row, in place of its vector."""
        rows, columns, _ = self.values.shape
        return CellVectors(flat.reshape(rows, columns, 1).astype(np.float32), self.grid)

    def at(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float32]:
        """Vectors at places of the picture, between cells by bilinear interpolation: (n, width)."""
        rows, columns, width = self.values.shape
        height_px, width_px = self.grid.cell
        down, low, lower = _neighbours(y / height_px - self.grid.part.top, rows)
        across, left, right = _neighbours(x / width_px - self.grid.part.left, columns)
        flat = self.values.reshape(rows * columns, width)
        upper_part = _between(flat, low * columns + left, low * columns + right, across)
        lower_part = _between(flat, lower * columns + left, lower * columns + right, across)
        mixed: NDArray[np.float32] = upper_part + (lower_part - upper_part) * down[:, None]
        return mixed


@dataclass(frozen=True, slots=True, eq=False)
class CellEvidence:
    """What is known of the cells of a part of a picture before anybody corrects it."""

    vectors: NDArray[np.float32] | None  # (cells, width), unit; None: the engine has none
    log_odds: NDArray[np.float32]  # (cells, concepts) of the words alone; competing: up to a sum
    grid: Grid
    vocabulary: Vocabulary  # contrast included
    # (cells, phrases) of `shared_phrases`, like `log_odds`; None: there are none, or the engine's
    # phrases cannot be told apart
    phrases: NDArray[np.float32] | None = None


def _neighbours(
    place: NDArray[np.float64], count: int
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Share of the second, and the two cells whose centres lie around a place in cells."""
    centred = np.clip(place - 0.5, 0, count - 1)
    first = np.floor(centred).astype(np.int64)
    return (centred - first).astype(np.float32), first, np.minimum(first + 1, count - 1)


def _between(
    flat: NDArray[np.float32],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    share: NDArray[np.float32],
) -> NDArray[np.float32]:
    start = flat[first]
    mixed: NDArray[np.float32] = start + (flat[second] - start) * share[:, None]
    return mixed


def covered_cells(box: tuple[float, float, float, float], picture: Size, whole: Size) -> Window:
    """The cells that a rectangle (left, top, right, bottom) in px touches; at least one."""
    left, top, right, bottom = box
    y, x = whole.height / picture.height, whole.width / picture.width
    first_row = min(max(int(np.floor(top * y)), 0), whole.height - 1)
    first_column = min(max(int(np.floor(left * x)), 0), whole.width - 1)
    last_row = min(max(int(np.ceil(bottom * y)), first_row + 1), whole.height)
    last_column = min(max(int(np.ceil(right * x)), first_column + 1), whole.width)
    return Window(first_row, first_column, last_row - first_row, last_column - first_column)


def cover(mark: Mark, grid: Grid) -> NDArray[np.float64]:
    """How much of each cell of the grid's part a mark covers, (rows, columns), 0 to 1.

    A point counts for the cells around it, as much as they would count in interpolation.
    """
    if isinstance(mark, PointMark):
        return _point_cover(mark, grid)
    if isinstance(mark, BoxMark):
        edges_down, edges_across = (
            np.array([mark.top, mark.bottom]),
            np.array([mark.left, mark.right]),
        )
        covered = np.ones((1, 1))
    else:
        area = window_of(mark.mask)
        edges_down = np.arange(area.top, area.bottom + 1.0)
        edges_across = np.arange(area.left, area.right + 1.0)
        covered = mark.mask[area.slices].astype(np.float64)
    height_px, width_px = grid.cell
    down = _overlaps(edges_down / height_px - grid.part.top, grid.part.height)
    across = _overlaps(edges_across / width_px - grid.part.left, grid.part.width)
    return _product(_product(down, covered), across.T)


def _point_cover(mark: PointMark, grid: Grid) -> NDArray[np.float64]:
    rows, columns = grid.part.height, grid.part.width
    height_px, width_px = grid.cell
    down, low, lower = _neighbours(np.array([mark.y / height_px]) - grid.part.top, rows)
    across, left, right = _neighbours(np.array([mark.x / width_px]) - grid.part.left, columns)
    shares = np.zeros((rows, columns))
    for row, vertical in ((low[0], 1 - down[0]), (lower[0], down[0])):
        for column, horizontal in ((left[0], 1 - across[0]), (right[0], across[0])):
            shares[row, column] += vertical * horizontal
    return shares


def _overlaps(edges: NDArray[np.float64], cells: int) -> NDArray[np.float64]:
    """(cells, spans): the length that cell k, from k to k + 1, shares with each span."""
    starts = np.arange(cells)[:, None]
    shared = np.minimum(starts + 1, edges[None, 1:]) - np.maximum(starts, edges[None, :-1])
    lengths: NDArray[np.float64] = np.maximum(shared, 0.0)
    return lengths


def _product(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    product: NDArray[np.float64] = left @ right
    return product
