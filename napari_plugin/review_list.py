"""A list of pictures to review: which are shown, and in what order. Knows no Qt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ovseg_annotate.run_folder import Picture, PictureState, Standing


class Order(StrEnum):
    """How a list of pictures is sorted."""

    NAME = "by name"
    UNCERTAIN = "most uncertain first"
    USEFUL = "most useful first"


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """One picture of the list."""

    picture: Picture
    standing: Standing
    rank: int | None = None  # among the open pictures, 0 the most useful; None: not ranked
    reason: str = ""  # of the rank, for the person

    @property
    def state(self) -> PictureState:
        return self.standing.state


@dataclass(frozen=True, slots=True)
class Arrangement:
    """What a person wants to see of the list."""

    states: frozenset[PictureState] = frozenset(PictureState)
    order: Order = Order.NAME
    text: str = ""  # somewhere in the name

    def of(self, items: Sequence[ReviewItem]) -> tuple[int, ...]:
        """Positions of the items that are shown, in their order."""
        wanted = self.text.casefold()
        shown = [
            position
            for position, item in enumerate(items)
            if item.state in self.states and wanted in item.picture.name.casefold()
        ]
        if self.order is Order.UNCERTAIN:
            # Of what nobody knows a margin, the order of the names is as good as any.
            shown.sort(key=lambda position: _margin(items[position]))
        if self.order is Order.USEFUL:
            shown.sort(key=lambda position: _rank(items[position]))
        return tuple(shown)


def counts(items: Sequence[ReviewItem]) -> dict[PictureState, int]:
    """How many pictures are in each state."""
    count = dict.fromkeys(PictureState, 0)
    for item in items:
        count[item.state] += 1
    return count


def _margin(item: ReviewItem) -> float:
    margin = item.standing.margin
    return 2.0 if margin is None else margin


def _rank(item: ReviewItem) -> float:
    """Answered pictures come last, in the order of names."""
    return math.inf if item.rank is None or item.state is not PictureState.SUGGESTED else item.rank
