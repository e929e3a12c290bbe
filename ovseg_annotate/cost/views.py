"""The published way to look at a picture: four overlapping windows and the whole, both squashed.

CAT-Seg's evaluation ("CAT-Seg", Cho et al. 2024, section 4.2) gives its numbers with it. Sessions
plan their own windows, which keep the shape of a picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ovseg_annotate.errors import OptionError


@dataclass(frozen=True, slots=True)
class SquashedViews:
    """Square windows over a picture that was made square; in px."""

    working: int = 640  # the picture's side
    window: int = 384
    stride: int = 256

    def __post_init__(self) -> None:
        if not 0 < self.stride <= self.window <= self.working:
            raise OptionError(
                f"views need 0 < stride <= window <= working, got stride {self.stride}, window "
                f"{self.window}, working {self.working}"
            )

    def of(self, picture: Tensor) -> Tensor:
        """(3, height, width) -> (views, 3, window, window): windows row by row, then the whole."""
        squashed = _resized(picture[None], self.working)[0]
        windows = [
            squashed[:, top : top + self.window, left : left + self.window]
            for top, left in self._corners()
        ]
        return torch.stack([*windows, _resized(picture[None], self.window)[0]])

    def merged(self, logits: Tensor) -> Tensor:
        """(views, concepts, rows, columns) -> probabilities (concepts, working, working).

        The windows' average counts as much as the whole.
        """
        values = _resized(logits, self.window).sigmoid()
        total = values.new_zeros(values.shape[1], self.working, self.working)
        count = values.new_zeros(self.working, self.working)
        for (top, left), own in zip(self._corners(), values[:-1], strict=True):
            rows, columns = slice(top, top + self.window), slice(left, left + self.window)
            total[:, rows, columns] += own
            count[rows, columns] += 1
        return (total / count + _resized(values[-1:], self.working)[0]) / 2

    def _corners(self) -> list[tuple[int, int]]:
        # The published sides come out even; otherwise the last window is moved inside.
        last = self.working - self.window
        starts = [*range(0, last, self.stride), last]
        return [(top, left) for top in starts for left in starts]


def _resized(images: Tensor, side: int) -> Tensor:
    return functional.interpolate(images, (side, side), mode="bilinear")
