"""Learned position tables on grids other than the one they were learned on."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Literal, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from ovseg_annotate.errors import ModelError
from ovseg_annotate.geometry import Size

# How the table is resized. "size" asks for the new grid; "published" gives the scale factor that
# the code of the training-free papers gives, (rows + 0.1) / grid: other numbers, for parity.
PositionRule: TypeAlias = Literal["size", "published"]

_Make: TypeAlias = Callable[[Size, torch.dtype, torch.device], Tensor]
_KEPT_GRIDS = 16  # a session sees a handful of window sizes


class PerGrid:
    """Remembers what was made for the last few grids; safe between threads."""

    def __init__(self, make: _Make) -> None:
        self._make = make
        self._kept: OrderedDict[tuple[Size, torch.dtype, torch.device], Tensor] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, grid: Size, dtype: torch.dtype, device: torch.device) -> Tensor:
        key = (grid, dtype, device)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = self._make(grid, dtype, device)
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > _KEPT_GRIDS:
                self._kept.popitem(last=False)
        return made


class PositionTable:
    """A tower's learned positions, (prefix + cells, width), for any grid."""

    def __init__(
        self, table: Callable[[], Tensor], native: Size, prefix: int, rule: PositionRule
    ) -> None:
        self._table = table  # asked for each time: moving a network replaces its tensors
        self._native = native
        self._prefix = prefix
        self._rule: PositionRule = rule
        self._version = -1
        self._kept = PerGrid(self._resized)

    def on(self, grid: Size, dtype: torch.dtype) -> Tensor:
        table = self._table()
        if grid == self._native or table.requires_grad:  # in training every pass needs its own
            return self._resized(grid, dtype, table.device)
        # torch counts changes in place: new weights never meet a table made of old ones.
        if table._version != self._version:
            self._kept = PerGrid(self._resized)
            self._version = table._version
        return self._kept(grid, dtype, table.device)

    def _resized(self, grid: Size, dtype: torch.dtype, device: torch.device) -> Tensor:
        table = self._table().to(device)
        return resized_positions(table, self._native, grid, self._prefix, self._rule).to(dtype)


def resized_positions(
    table: Tensor, native: Size, grid: Size, prefix: int, rule: PositionRule
) -> Tensor:
    """(prefix + native cells, width) -> (prefix + cells of the grid, width).

    The grids are compared by rows and columns: a 7 x 28 grid has as many cells as a 14 x 14 one
    and would take its table without a word.
    """
    if grid == native:
        return table
    # No antialiasing, as published; float32 because not every device resizes half precision.
    cells = table[prefix:].float().T.reshape(1, -1, native.height, native.width)
    if rule == "published":
        factors = ((grid.height + 0.1) / native.height, (grid.width + 0.1) / native.width)
        resized = functional.interpolate(cells, scale_factor=factors, mode="bicubic")
    else:
        resized = functional.interpolate(cells, size=(grid.height, grid.width), mode="bicubic")
    return torch.cat([table[:prefix], resized[0].flatten(1).T.to(table.dtype)])


def grid_of(images: Tensor, stride: int) -> Size:
    """Cells of a batch (batch, 3, height, width); a convolution would drop the rest silently."""
    height, width = images.shape[-2:]
    if height < stride or width < stride or height % stride or width % stride:
        raise ModelError(
            f"expected windows whose sides are multiples of {stride} px, got "
            f"{Size(height, width)}; resize or pad them first"
        )
    return Size(height // stride, width // stride)
