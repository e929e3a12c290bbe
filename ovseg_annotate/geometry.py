"""THE coordinate convention: pixel edges.

A point is (x, y) in float64, x to the right and y down. The image spans (0, 0) to
(width, height); the pixel in row r, column c covers [c, c + 1] x [r, r + 1] and its centre
is (c + 0.5, r + 0.5). A pixel belongs to a polygon when its centre is inside. Every format
states how its own frame differs from this one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

# (n, 2) float64 of (x, y); at least three distinct points; not repeated at the end.
Ring: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Size:
    """Rows first in name as in arrays, so that the order cannot be guessed wrong."""

    height: int
    width: int

    @property
    def area(self) -> int:
        return self.height * self.width

    def __str__(self) -> str:
        return f"{self.width} x {self.height} px"


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of whole pixels: rows top to top + height, columns left to left + width."""

    top: int
    left: int
    height: int
    width: int

    @property
    def bottom(self) -> int:
        return self.top + self.height

    @property
    def right(self) -> int:
        return self.left + self.width

    @property
    def size(self) -> Size:
        return Size(self.height, self.width)

    @property
    def slices(self) -> tuple[slice, slice]:
        return slice(self.top, self.bottom), slice(self.left, self.right)


@dataclass(frozen=True, slots=True, eq=False)
class Polygon:
    """One connected outline with its holes.

    The outline has a positive shoelace sum in (x, y) numbers, holes a negative one.
    """

    outline: Ring
    holes: tuple[Ring, ...] = ()

    @property
    def vertices(self) -> int:
        return len(self.outline) + sum(len(hole) for hole in self.holes)

    @property
    def rings(self) -> tuple[Ring, ...]:
        return (self.outline, *self.holes)

    @property
    def area(self) -> float:
        return sum(signed_area(ring) for ring in self.rings)

    def moved(self, x: float, y: float) -> Polygon:
        shift = np.array([x, y])
        return Polygon(self.outline + shift, tuple(hole + shift for hole in self.holes))


def signed_area(ring: Ring) -> float:
    """The shoelace sum / 2: positive for an outline, negative for a hole."""
    after = np.concatenate((ring[1:], ring[:1]))
    return float(0.5 * (np.dot(ring[:, 0], after[:, 1]) - np.dot(after[:, 0], ring[:, 1])))


def oriented(ring: Ring, *, hole: bool) -> Ring:
    """The same ring, turned so that its shoelace sum has the sign of an outline or a hole."""
    return ring[::-1] if (signed_area(ring) < 0) != hole else ring
