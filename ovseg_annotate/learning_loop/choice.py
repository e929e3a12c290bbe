"""Which pictures a person should answer next, each with the reason why.

Diversity is the greedy k-centre rule: each time the picture that is farthest from everything
answered and chosen so far. With it goes doubt: the product of both needs no weight between them,
and is zero for a picture that is sure and for one that is there already. Distances are taken
between the mean vectors of cells; work grows with pictures x (answered + chosen), memory with the
pictures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.learning_loop.looks import Look
from ovseg_annotate.learning_loop.uncertainty import Patch

By: TypeAlias = Literal["both", "uncertainty", "diversity", "random"]

_ROWS = 4096  # vectors that are compared at a time
_TAKEN = -1.0


@dataclass(frozen=True, slots=True)
class Choice:
    """One picture to answer, and why."""

    picture: str
    reason: str  # for the person
    uncertainty: float | None = None  # 0 to 1; None: not looked at
    distance: float | None = None  # to the nearest that is answered or chosen; None: to none
    patch: Patch | None = None  # where to look first


def at_random(pictures: Iterable[str], count: int, seed: int) -> tuple[Choice, ...]:
    """The honest baseline: as good as no choice, and the same for the same seed."""
    reason = f"drawn at random (seed {seed})"
    return tuple(Choice(name, reason) for name in shuffled(pictures, seed)[:count])


def shuffled(pictures: Iterable[str], seed: int) -> list[str]:
    """In an order that does not change for the others when some are taken out."""
    return sorted(pictures, key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest())


def chosen(
    pictures: Iterable[Look], answered: Sequence[Look], count: int, by: By
) -> tuple[Choice, ...]:
    """The most useful pictures first; `answered` are those that people are done with."""
    if by == "random":
        raise ValueError("a random order needs no looks: call at_random")
    looks = sorted(pictures, key=lambda each: each.picture)
    if not looks:
        return ()
    if by == "uncertainty":
        order = sorted(looks, key=lambda each: -each.uncertainty)[:count]
        return tuple(_choice(each, _doubt(each), None) for each in order)
    return tuple(_spread(looks, answered, count, weighed=by == "both"))


def _spread(
    looks: Sequence[Look], answered: Sequence[Look], count: int, *, weighed: bool
) -> Iterable[Choice]:
    """Greedy k-centre, by distance or by doubt x distance."""
    field = _Distances(looks, answered)
    doubt = np.array([each.uncertainty for each in looks]) if weighed else np.ones(len(looks))
    left = np.ones(len(looks), np.bool_)
    for number in range(min(count, len(looks))):
        nearest = field.nearest
        worth = doubt * (field.typical if nearest is None and not weighed else 1.0)
        if nearest is not None:
            worth = doubt * nearest
        place = int(np.where(left, worth, _TAKEN).argmax())
        far = nearest is not None and nearest[place] >= np.median(nearest[left])
        before = _before(answered=bool(answered), queued=number > 0)
        if weighed:
            reason = _doubt(looks[place]) + (f"; unlike {before}" if far else "")
        else:
            reason = f"the least like {before}" if before else "the most typical of all"
        distance = None if nearest is None else float(nearest[place])
        yield _choice(looks[place], reason, distance)
        left[place] = False
        field.cover(place)


class _Distances:
    """How far each picture is from the nearest one that is answered or chosen."""

    def __init__(self, looks: Sequence[Look], answered: Sequence[Look]) -> None:
        self._vectors = np.stack([each.vector for each in looks])
        # Far from the origin, differences would drown in rounding.
        self._middle = self._vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
        self.nearest: NDArray[np.float64] | None = None  # (pictures,)
        for start in range(0, len(answered), _ROWS):
            self._cover(np.stack([each.vector for each in answered[start : start + _ROWS]]))

    @property
    def typical(self) -> NDArray[np.float64]:
        """1 for the picture nearest to the middle of all, less the farther away."""
        typical: NDArray[np.float64] = 1 / (1 + self._to(self._middle[None]))
        return typical

    def cover(self, place: int) -> None:
        """From now on this picture is one of those to be unlike."""
        self._cover(self._vectors[place : place + 1])

    def _cover(self, centres: NDArray[np.float16]) -> None:
        found = self._to(centres.astype(np.float32))
        self.nearest = found if self.nearest is None else np.minimum(self.nearest, found)

    def _to(self, centres: NDArray[np.float32]) -> NDArray[np.float64]:
        """The distance of each picture to the nearest of these, block by block."""
        moved = centres - self._middle
        lengths = (moved**2).sum(axis=1)
        nearest = np.empty(len(self._vectors))
        for start in range(0, len(nearest), _ROWS):
            block = self._vectors[start : start + _ROWS].astype(np.float32) - self._middle
            squares = (block**2).sum(axis=1)[:, None] + lengths - 2 * (block @ moved.T)
            nearest[start : start + _ROWS] = np.sqrt(np.maximum(squares.min(axis=1), 0))
        return nearest


def _choice(look: Look, reason: str, distance: float | None) -> Choice:
    patch = look.patches[0] if look.patches else None
    return Choice(look.picture, reason, look.uncertainty, distance, patch)


def _before(*, answered: bool, queued: bool) -> str:
    if answered:
        return "anything corrected or queued so far" if queued else "anything corrected so far"
    return "what stands before it in the queue" if queued else ""


def _doubt(look: Look) -> str:
    """Where a picture is most uncertain."""
    if not look.patches:
        return "uncertain"
    named = [concept for concept in look.patches[0].concepts if concept]
    if len(named) == 2:
        return f"most uncertain at the border between {named[0]} and {named[1]}"
    if len(named) == 1 and len(look.patches[0].concepts) == 2:
        return f"most uncertain at the edge of {named[0]}"
    if named:
        return f"most uncertain inside {named[0]}"
    return "most uncertain where nothing is labelled"
