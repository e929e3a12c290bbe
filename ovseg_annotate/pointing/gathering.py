"""The cell vectors of a part of a picture, gathered from the windows that see it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from ovseg_annotate.errors import MemoryLimitError
from ovseg_annotate.geometry import Size, Window
from ovseg_annotate.pointing.cells import CellVectors, Grid
from ovseg_annotate.tiling import WindowPlan, blend_weight

_LIMIT = 2 * 2**30  # bytes of the vectors of one part


class Gatherer:
    """Blends the windows' vectors as the windows' scores are blended."""

    def __init__(self, plan: WindowPlan, part: Window) -> None:
        self._plan = plan
        self._part = part  # in cells
        self._sum: Tensor | None = None
        first = plan.windows[0]  # all have one size
        rows, columns = first.height // plan.stride, first.width // plan.stride
        self._weight = blend_weight(rows, columns)[..., None]

    @property
    def windows(self) -> tuple[int, ...]:
        """Numbers of the windows that see the part, in order."""
        part, stride = self._part, self._plan.stride
        return tuple(
            number
            for number, window in enumerate(self._plan.windows)
            if window.top < part.bottom * stride
            and window.bottom > part.top * stride
            and window.left < part.right * stride
            and window.right > part.left * stride
        )

    def add(self, vectors: Tensor, number: int) -> None:
        """Take in the vectors (rows, columns, width) of one window."""
        rows, columns, width = vectors.shape
        part, window, stride = self._part, self._plan.windows[number], self._plan.stride
        if self._sum is None:
            self._sum = torch.zeros(part.height, part.width, _checked(width, part))
        top, left = window.top // stride - part.top, window.left // stride - part.left
        first_row, first_column = max(0, -top), max(0, -left)
        last_row, last_column = min(rows, part.height - top), min(columns, part.width - left)
        weighted = vectors.cpu().float() * self._weight
        self._sum[top + first_row : top + last_row, left + first_column : left + last_column] += (
            weighted[first_row:last_row, first_column:last_column]
        )

    def result(self, picture: Size) -> CellVectors:
        """Unit vectors; call once every window is in."""
        if self._sum is None:
            raise ValueError("no window was added")
        values = normalize(self._sum, dim=-1).numpy().astype(np.float32)
        return CellVectors(values, Grid(picture, self._plan.grid, self._part))


def _checked(width: int, part: Window) -> int:
    needed = 4 * width * part.size.area
    if needed > _LIMIT:
        raise MemoryLimitError(
            f"marks over {part.width} x {part.height} cells need {needed / 2**30:.1f} GiB of "
            f"vectors, the limit is {_LIMIT / 2**30:.0f}; mark places that lie nearer together, or "
            "choose a smaller scale"
        )
    return width
