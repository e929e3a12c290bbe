"""A scene in the making: the picture, the truth under it, and what has been laid down."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.datasets.scenes.paint import Canvas
from ovseg_annotate.datasets.scenes.phrases import name_of
from ovseg_annotate.datasets.scenes.scene import Attributes, SceneRegion
from ovseg_annotate.datasets.scenes.shapes import Stamp
from ovseg_annotate.geometry import Size, Window

# A region must keep this share of what it had when it was laid down, or nobody could name it.
_MUST_REMAIN = 0.6
_GROUND_MUST_REMAIN = 0.2


@dataclass(slots=True)
class Board:
    """Regions are added in order; each covers what lies under it."""

    canvas: Canvas
    instances: NDArray[np.uint16]
    described: list[Attributes] = field(default_factory=list)
    areas: list[int] = field(default_factory=list)  # when laid down
    remaining: list[int] = field(default_factory=list)  # still visible
    grounds: int = 0

    @property
    def size(self) -> Size:
        return Size(*self.instances.shape)

    def regions(self) -> tuple[SceneRegion, ...]:
        return tuple(
            SceneRegion(label, attributes, name_of(attributes))
            for label, attributes in enumerate(self.described, start=1)
        )

    def add_ground(self, attributes: Attributes, mask: NDArray[np.bool_] | None = None) -> None:
        """Only before the first object; a later ground lies over an earlier one."""
        self.described.append(attributes)
        self.grounds = len(self.described)
        self.instances[... if mask is None else mask] = self.grounds
        counts = np.bincount(self.instances.ravel(), minlength=self.grounds + 1)
        self.areas = counts[1:].tolist()
        self.remaining = list(self.areas)

    def add_object(self, attributes: Attributes, mask: NDArray[np.bool_], where: Window) -> None:
        """`mask` is the object inside `where`, a window that lies within the picture."""
        view = self.instances[where.slices]
        for label, lost in enumerate(np.bincount(view[mask]).tolist()[1:]):
            self.remaining[label] -= lost
        self.described.append(attributes)
        view[mask] = len(self.described)
        area = int(np.count_nonzero(mask))
        self.areas.append(area)
        self.remaining.append(area)

    def is_free(self, mask: NDArray[np.bool_], where: Window) -> bool:
        """Nothing but ground under the object, nor in the pixels around it."""
        top, left = max(where.top - 1, 0), max(where.left - 1, 0)
        around = self.instances[top : where.bottom + 1, left : where.right + 1]
        return int(around.max()) <= self.grounds and self.buries_none(mask, where)

    def buries_none(self, mask: NDArray[np.bool_], where: Window) -> bool:
        """Whether every region under the object would keep enough of itself."""
        lost = np.bincount(self.instances[where.slices][mask])
        for label in np.flatnonzero(lost):
            share = _GROUND_MUST_REMAIN if label <= self.grounds else _MUST_REMAIN
            index = int(label) - 1
            if self.remaining[index] - int(lost[label]) < share * self.areas[index]:
                return False
        return True


def clipped(stamp: Stamp, top: int, left: int, size: Size) -> tuple[Window, tuple[slice, slice]]:
    """The part of the picture under a stamp, and the part of the stamp inside the picture."""
    height, width = stamp.coverage.shape
    first_row, first_column = max(0, -top), max(0, -left)
    last_row, last_column = min(height, size.height - top), min(width, size.width - left)
    where = Window(
        top + first_row, left + first_column, last_row - first_row, last_column - first_column
    )
    return where, (slice(first_row, last_row), slice(first_column, last_column))
