"""What the machine proposed for a plane and what the person made of it.

The person's corrections are found by comparing what stands in the labels layer with what was
proposed; they stay through every later suggestion. Paint events cannot tell them: undo and redo
give none.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_plugin.layer_data import Labels

Mask: TypeAlias = NDArray[np.bool_]

_NEVER = -1  # no label: nothing that an undo could bring back


class PlaneDraft:
    """The suggestion behind one plane of a labels layer; all arrays are (height, width)."""

    def __init__(self, suggestion: Labels) -> None:
        self.suggestion = suggestion  # what the machine would show at every pixel
        # Corrected before the latest suggestion, and the label that an undo would bring back.
        self._kept: Mask = np.zeros(suggestion.shape, np.bool_)
        self._before: NDArray[np.signedinteger] = np.zeros(
            suggestion.shape, np.int16 if suggestion.dtype.itemsize == 1 else np.int32
        )

    def corrected(self, labels: Labels) -> Mask:
        """Where the person changed what was proposed."""
        changed: Mask = labels != self.suggestion
        changed |= self._kept
        return changed

    def take(self, labels: Labels, proposed: Labels, locked: Collection[int] = ()) -> Labels:
        """Take a new suggestion; returns what the layer shows from now on.

        Corrected pixels stay. A locked label neither loses pixels nor gains any.
        """
        corrected = self.corrected(labels)
        np.copyto(self._before, self.suggestion, where=corrected & ~self._kept)
        self._kept = corrected
        self.suggestion = _with_locks(labels, proposed, locked)
        return np.where(corrected, labels, self.suggestion)

    def note_painting(self, labels: Labels) -> None:
        """The person painted: what looks like an earlier suggestion is meant, not undone."""
        self._before[self._kept & (labels == self._before)] = _NEVER

    def reconcile_undo(self, labels: Labels) -> Mask:
        """Where an undo brought back an earlier suggestion; those corrections are forgotten.

        The layer should show the present suggestion at these pixels.
        """
        undone: Mask = self._kept & (labels == self._before)
        self._kept &= ~undone
        return undone

    def forget(self, where: Mask) -> None:
        """The person takes the suggestion again."""
        self._kept &= ~where

    def relabelled(self, table: Labels) -> None:
        """Concepts moved: `table` has the new label of each old one."""
        self.suggestion = table[self.suggestion]
        meant = self._before != _NEVER
        self._before[meant] = table[self._before[meant]]


def relabelling(moved: tuple[int, ...], dtype: np.dtype[Any]) -> Labels:
    """A table for every value of `dtype`: the new labels of old ones, others as they are."""
    table = np.arange(np.iinfo(dtype).max + 1).astype(dtype)
    table[: len(moved)] = moved
    return table


def _with_locks(labels: Labels, proposed: Labels, locked: Collection[int]) -> Labels:
    if not locked:
        return proposed
    is_locked = np.zeros(np.iinfo(labels.dtype).max + 1, np.bool_)
    is_locked[list(locked)] = True
    result = proposed.copy()
    result[is_locked[proposed]] = 0
    held = is_locked[labels]
    result[held] = labels[held]
    return result
