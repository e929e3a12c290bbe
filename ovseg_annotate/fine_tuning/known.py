"""What a correction says of an engine's windows, cell by cell, on the grid of its answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.geometry import Size, Window
from ovseg_annotate.learning_loop.corrections import Correction, Stated
from ovseg_annotate.lessons.lesson import NOTHING
from ovseg_annotate.tiling import WindowPlan
from ovseg_annotate.vocabulary import Vocabulary

UNKNOWN, NONE = -1, -2  # in place of the number of a concept: nobody said; none of them

Numbers = NDArray[np.int16]


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """Numbers of concepts by cell: that of the pixel in its middle."""

    certain: Numbers  # (windows, rows, columns): a concept, NONE or UNKNOWN
    rejected: Numbers  # the same: a concept that is not there, or UNKNOWN

    @classmethod
    def of(cls, correction: Correction, vocabulary: Vocabulary, plan: WindowPlan) -> Known:
        """Of all windows of a plan over the corrected picture."""
        certain = _painted(correction.certain, vocabulary, correction.size)
        rejected = _painted(correction.rejected, vocabulary, correction.size)
        places = [_middles(plan, window, correction.size) for window in plan.windows]
        return cls(
            np.stack([certain[rows, columns] for rows, columns in places]),
            np.stack([rejected[rows, columns] for rows, columns in places]),
        )

    def windows(self, numbers: Sequence[int]) -> Known:
        """Some of them."""
        return Known(self.certain[list(numbers)], self.rejected[list(numbers)])

    def drawn(self, count: int, seed: str) -> list[int]:
        """Numbers of windows of which something is known, in ascending order.

        By lot, the concepts taking turns, so that one of a small area is seen as well.
        """
        order = np.random.default_rng(int(seed[:16], 16)).permutation(len(self.certain))
        waiting = {
            concept: [int(number) for number in order if number in numbers]
            for concept, numbers in self._by_concept().items()
        }
        drawn: dict[int, None] = {}
        while waiting and len(drawn) < count:
            for concept in list(waiting):
                left = [number for number in waiting[concept] if number not in drawn]
                if left and len(drawn) < count:
                    drawn[left[0]] = None
                waiting[concept] = left[1:]
                if not waiting[concept]:
                    del waiting[concept]
        return sorted(drawn)

    def _by_concept(self) -> dict[int, set[int]]:
        """The windows in which each concept, or none, is known of a cell."""
        found: dict[int, set[int]] = {}
        for numbers in (self.certain, self.rejected):
            for concept in np.unique(numbers).tolist():
                if concept != UNKNOWN:
                    there = np.flatnonzero((numbers == concept).any(axis=(1, 2)))
                    found.setdefault(concept, set()).update(there.tolist())
        return found


def _painted(areas: Sequence[Stated], vocabulary: Vocabulary, size: Size) -> Numbers:
    """(height, width): what is stated of each pixel, in the words that are labelled."""
    number_of = {
        concept.name.casefold(): number
        for number, concept in enumerate(vocabulary)
        if not concept.negative
    }
    number_of[NOTHING] = NONE
    painted = np.full((size.height, size.width), UNKNOWN, np.int16)
    for stated in areas:
        number = number_of.get(stated.concept.casefold(), UNKNOWN)
        painted[stated.mask.box.slices][stated.mask.array()] = number
    return painted


def _middles(
    plan: WindowPlan, window: Window, size: Size
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows (n, 1) and columns (1, n) of the pixels in the middles of a window's cells."""
    left, top, right, bottom = plan.source_box(window, size)
    down, across = window.height // plan.stride, window.width // plan.stride
    rows = top + (np.arange(down) + 0.5) * (bottom - top) / down
    columns = left + (np.arange(across) + 0.5) * (right - left) / across
    return (
        rows.astype(np.int64).clip(0, size.height - 1)[:, None],
        columns.astype(np.int64).clip(0, size.width - 1)[None],
    )
