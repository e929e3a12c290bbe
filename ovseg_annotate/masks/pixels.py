"""From a pyramid of features to one fine map: lateral paths, added from coarse to fine (FPN)."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd, tau

import torch
from torch import Tensor, nn
from torch.nn import functional

from ovseg_annotate.masks.sizes import NORM_GROUPS

_LONGEST_WAVE = 10_000.0


class PixelDecoder(nn.Module):
    """Levels from fine to coarse -> (pictures, hidden, rows, columns) of the finest."""

    def __init__(self, widths: Sequence[int], hidden: int) -> None:
        super().__init__()
        *fine, coarsest = widths
        self.first = _convolution(coarsest, hidden, 3)
        self.laterals = nn.ModuleList(_convolution(width, hidden, 1) for width in reversed(fine))
        self.smoothings = nn.ModuleList(_convolution(hidden, hidden, 3) for _ in fine)
        self.last = nn.Conv2d(hidden, hidden, 3, padding=1)

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        *fine, coarsest = levels
        summed = functional.relu(self.first(coarsest))
        for level, lateral, smoothing in zip(
            reversed(fine), self.laterals, self.smoothings, strict=True
        ):
            enlarged = functional.interpolate(summed, level.shape[-2:], mode="nearest")
            summed = functional.relu(smoothing(lateral(level) + enlarged))
        decoded: Tensor = self.last(summed)
        return decoded


def sine_positions(like: Tensor) -> Tensor:
    """(pictures, width, rows, columns) -> (cells, width): where each cell lies, as waves.

    Places are shares of the picture, so that they mean the same at every size.
    """
    width, rows, columns = like.shape[1:]
    count = width // 4
    waves = _LONGEST_WAVE ** (torch.arange(count, device=like.device) / count)

    def along(places: int) -> Tensor:
        shares = (torch.arange(places, device=like.device) + 0.5) / places
        angles = tau * shares[:, None] / waves
        return torch.cat([angles.sin(), angles.cos()], dim=1)  # (places, width / 2)

    down = along(rows)[:, None].expand(rows, columns, -1)
    across = along(columns)[None].expand(rows, columns, -1)
    positions = functional.pad(torch.cat([down, across], dim=2), (0, width - 4 * count))
    return positions.flatten(0, 1).to(like.dtype)


def _convolution(inputs: int, outputs: int, side: int) -> nn.Sequential:
    groups = gcd(NORM_GROUPS, outputs)
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, side, padding=side // 2, bias=False),
        nn.GroupNorm(groups, outputs),
    )
