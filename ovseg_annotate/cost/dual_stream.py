"""A second, local stream beside a layer that sees everything, let in where it helps.

A reconstruction of the dual-stream fusion of "LoGoSeg" (arXiv 2602.05578).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_REACH = 7
_WIDER = 4


class DualStream(nn.Module):
    """Convolutions of what a layer was given, mixed into what it made of it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.around = nn.Conv2d(width, width, _REACH, padding=_REACH // 2, groups=width)
        self.norm = nn.GroupNorm(1, width)
        self.wider = nn.Linear(width, _WIDER * width)
        self.narrower = nn.Linear(_WIDER * width, width)
        self.gate = nn.Linear(2 * width, width)
        self.share = nn.Parameter(torch.zeros(width))  # nothing of the local stream, at first

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        """Both are (windows, concepts, rows, columns, width)."""
        planes = self.norm(self.around(before.flatten(0, 1).movedim(3, 1))).movedim(1, 3)
        wide = functional.gelu(self.wider(planes))
        local = before + self.narrower(wide).view_as(before)
        gate = self.gate(torch.cat([local, after], dim=4)).sigmoid()
        mixed: Tensor = after + self.share * gate * (local - after)
        return mixed
