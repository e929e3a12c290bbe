"""Windows over a picture, and one score map out of the windows' answers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from ovseg_annotate.geometry import Size, Window
from ovseg_annotate.scores import ClassScores

_LARGEST_ENLARGEMENT = 4.0


@dataclass(frozen=True, slots=True)
class WindowPlan:
    """Where the windows lie on a picture resized to `working`; all have the same size."""

    working: Size  # multiples of the engine's stride
    windows: tuple[Window, ...]  # row by row, in px of the working size
    stride: int  # px a cell of the score grid covers

    @property
    def grid(self) -> Size:
        """Cells of the whole score map."""
        return Size(self.working.height // self.stride, self.working.width // self.stride)

    @property
    def digest_text(self) -> str:
        """Differs whenever any window differs."""
        first = self.windows[0]
        return f"{self.working} {first.size} {len(self.windows)} {self.windows[-1]}"

    def source_box(self, window: Window, source: Size) -> tuple[float, float, float, float]:
        """(left, top, right, bottom) of a window in px of the original picture."""
        x = source.width / self.working.width
        y = source.height / self.working.height
        return window.left * x, window.top * y, window.right * x, window.bottom * y


def working_size(source: Size, factor: float, window: Size, multiple_of: int) -> Size:
    """The picture's size times `factor`, rounded to whole cells and no smaller than sensible.

    A picture that is smaller than the window on a side is enlarged towards it, by four times at
    most: a tower sees badly at sizes far below its own.
    """
    filling = max(window.height / source.height, window.width / source.width)
    factor = max(factor, min(filling, _LARGEST_ENLARGEMENT))

    def side(length: int) -> int:
        return max(1, round(length * factor / multiple_of)) * multiple_of

    return Size(side(source.height), side(source.width))


def plan_windows(working: Size, window: Size, overlap: float, stride: int) -> WindowPlan:
    """Cover a picture by equal windows that start on whole cells and lie inside it."""
    height, width = min(window.height, working.height), min(window.width, working.width)
    tops = _starts(working.height, height, overlap, stride)
    lefts = _starts(working.width, width, overlap, stride)
    windows = tuple(Window(top, left, height, width) for top in tops for left in lefts)
    return WindowPlan(working, windows, stride)


def _starts(length: int, window: int, overlap: float, stride: int) -> list[int]:
    """Starts spread evenly on whole cells, no further apart than the overlap allows."""
    spare = (length - window) // stride
    if spare == 0:
        return [0]
    step = max(1, math.floor(window * (1.0 - overlap) / stride))
    count = math.ceil(spare / step) + 1
    return [round(index * spare / (count - 1)) * stride for index in range(count)]


class Stitcher:
    """Blends the windows' probabilities into one map; the weights of a cell sum to one."""

    def __init__(self, plan: WindowPlan, concepts: int, device: torch.device) -> None:
        grid = plan.grid
        self._plan = plan
        self._sum = torch.zeros(concepts, grid.height, grid.width, device=device)
        self._weight = torch.zeros(grid.height, grid.width, device=device)

    def add(self, scores: ClassScores, first_window: int) -> None:
        """Take in the scores of consecutive windows of the plan."""
        rows, columns = scores.values.shape[-2:]
        weight = blend_weight(rows, columns).to(self._sum.device)
        for offset, values in enumerate(scores.values):
            window = self._plan.windows[first_window + offset]
            top, left = window.top // self._plan.stride, window.left // self._plan.stride
            cells = (slice(top, top + rows), slice(left, left + columns))
            self._sum[:, cells[0], cells[1]].addcmul_(values.to(self._sum), weight)
            self._weight[cells] += weight

    def result(self) -> Tensor:
        """(concepts, rows, columns); call once, when every window is in."""
        return self._sum.div_(self._weight)


@lru_cache(maxsize=64)
def blend_weight(rows: int, columns: int) -> Tensor:
    """Hann weights at cell centres: a window counts least where it sees least around. Read only."""

    def hann(cells: int) -> Tensor:
        centres = (torch.arange(cells, dtype=torch.float32) + 0.5) / cells
        return torch.sin(math.pi * centres) ** 2

    return hann(rows)[:, None] * hann(columns)[None, :]
