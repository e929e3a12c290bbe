"""What marks teach: how the marked cells look, and what sets them apart from their picture.

The direction of an example is (C + r I)^-1 (p - m): p the mean vector of the marked cells, m and C
the mean and the spread of all cells of the picture (Fisher's linear discriminant with a ridge r).
Likeness to p itself would be high everywhere: cells of one picture resemble one another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.errors import MarkError
from ovseg_annotate.pointing.cells import CellVectors, cover
from ovseg_annotate.pointing.marks import BoxMark, Mark

WEIGHT = 0.65
_RIDGE = 0.5  # of the mean variance of a component
_MOST_CELLS = 16_384  # that the spread is taken from
_RING = 0.5  # width of what surrounds a box, in sides of the box
_NOT_APART = 1e-6  # an example must be this far from its picture along its direction


@dataclass(frozen=True, slots=True, eq=False)
class VisualExamples:
    """What was pointed at, for other pictures too; small, and needs no picture any more."""

    engine: str  # that made the vectors, its weights included
    concepts: tuple[str, ...]  # one an example
    positive: tuple[bool, ...]  # False: it is not that concept
    prototypes: NDArray[np.float32]  # (examples, width), unit: the mean of what was marked
    directions: NDArray[np.float32]  # (examples, width), unit: what sets it apart
    unlike: NDArray[np.float32]  # (examples,) the picture's mean along the direction
    weight: float = WEIGHT  # how sure a cell just like an example becomes; 0.5 to below 1

    def __post_init__(self) -> None:
        if not 0.5 <= self.weight < 1:
            raise MarkError(
                f"the weight of examples is {self.weight:g}; allowed: 0.5 (a hint) to below 1"
            )

    def __len__(self) -> int:
        return len(self.concepts)

    def __add__(self, other: VisualExamples) -> VisualExamples:
        """Both together; they must be of one engine with one set of weights."""
        self.check_engine(other.engine)
        if self.weight != other.weight:
            raise MarkError(
                f"examples of weight {self.weight:g} and {other.weight:g} cannot be merged; give "
                "both one weight first: replace(examples, weight=...)"
            )
        return replace(
            self,
            concepts=self.concepts + other.concepts,
            positive=self.positive + other.positive,
            prototypes=np.concatenate([self.prototypes, other.prototypes]),
            directions=np.concatenate([self.directions, other.directions]),
            unlike=np.concatenate([self.unlike, other.unlike]),
        )

    def only(self, concepts: Collection[str]) -> VisualExamples:
        """Those of some concepts; the case of names makes no difference."""
        wanted = {name.casefold() for name in concepts}
        kept = [place for place, name in enumerate(self.concepts) if name.casefold() in wanted]
        return replace(
            self,
            concepts=tuple(self.concepts[place] for place in kept),
            positive=tuple(self.positive[place] for place in kept),
            prototypes=self.prototypes[kept],
            directions=self.directions[kept],
            unlike=self.unlike[kept],
        )

    def check_engine(self, engine: str) -> None:
        """Refuse another engine: its vectors mean something else."""
        if engine != self.engine:
            raise MarkError(
                f"examples made with {self.engine} do not fit {engine}; mark them again in a "
                "session with this model"
            )

    @property
    def like(self) -> NDArray[np.float32]:
        """(examples,) the example itself along its direction."""
        products: NDArray[np.float32] = (self.prototypes * self.directions).sum(axis=1)
        return products

    @property
    def digest(self) -> str:
        """Differs whenever an example differs: part of provenance."""
        whole = hashlib.sha256(repr((self.engine, self.concepts, self.positive)).encode())
        for array in (self.prototypes, self.directions, self.unlike):
            whole.update(np.ascontiguousarray(array).tobytes())
        whole.update(repr(self.weight).encode())
        return whole.hexdigest()[:16]


def examples_from(vectors: CellVectors, marks: Sequence[Mark], engine: str) -> VisualExamples:
    """One example a mark, from the cells of (a part of) the picture that the marks are on."""
    cells = vectors.flat
    mean, whitening = _spread(cells)
    prototypes = np.stack([_prototype(vectors, mark) for mark in marks])
    directions = _unit(((prototypes - mean) @ whitening).astype(np.float32))
    examples = VisualExamples(
        engine,
        tuple(mark.concept for mark in marks),
        tuple(mark.positive for mark in marks),
        prototypes,
        directions,
        directions @ mean,
    )
    for mark, apart in zip(marks, examples.like - examples.unlike, strict=True):
        if not apart > _NOT_APART:
            raise MarkError(
                f"what is marked as {mark.concept!r} looks like everything else in the picture "
                "to this model; mark a place where something else is to be seen"
            )
    return examples


def _spread(cells: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The mean of the cells, and the inverse of their covariance with a ridge."""
    some = cells[:: max(1, -(-len(cells) // _MOST_CELLS))].astype(np.float64)
    mean = some.mean(axis=0)
    centred = some - mean
    covariance = centred.T @ centred / len(some)
    width = len(mean)
    ridge = max(_RIDGE * float(np.trace(covariance)) / width, 1e-9)
    inverse = np.linalg.inv(covariance + ridge * np.eye(width))
    return mean.astype(np.float32), inverse.astype(np.float32)


def _prototype(vectors: CellVectors, mark: Mark) -> NDArray[np.float32]:
    """The unit mean vector of what a mark covers."""
    shares = cover(mark, vectors.grid).ravel()
    cells = vectors.flat
    if isinstance(mark, BoxMark):
        shares = shares * _foreground(cells, shares, cover(_grown(mark), vectors.grid).ravel())
    return _mean_direction(cells, shares)


def _grown(box: BoxMark) -> BoxMark:
    """The box with what surrounds it."""
    across, down = _RING * (box.right - box.left), _RING * (box.bottom - box.top)
    return replace(
        box,
        left=box.left - across,
        top=box.top - down,
        right=box.right + across,
        bottom=box.bottom + down,
    )


def _foreground(
    cells: NDArray[np.float32], inside: NDArray[np.float64], grown: NDArray[np.float64]
) -> NDArray[np.float64]:
    """0 to 1 for every cell: how unlike the surroundings of a box it is.

    A box drawn round a thing holds some of its surroundings in the corners.
    """
    around = np.maximum(grown - inside, 0.0)
    if not around.any():  # the box is the whole picture
        return np.ones_like(inside)
    surroundings = _mean_direction(cells, around)
    distance = np.maximum(1.0 - cells @ surroundings, 0.0).astype(np.float64)
    farthest = float(distance[inside > 0].max())
    if farthest <= 0:
        return np.ones_like(inside)
    foreground: NDArray[np.float64] = (distance / farthest) ** 2
    return foreground


def _mean_direction(cells: NDArray[np.float32], shares: NDArray[np.float64]) -> NDArray[np.float32]:
    """The unit mean of the cells, each counted by its share."""
    mean: NDArray[np.float32] = _unit((shares.astype(np.float32) @ cells)[None])[0]
    return mean


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: NDArray[np.float32] = (rows / np.maximum(lengths, 1e-12)).astype(np.float32)
    return unit
