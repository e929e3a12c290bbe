"""A second, local stream beside a layer that sees everything, let in where it helps.

A reconstruction of the dual-stream fusion of "LoGoSeg" (arXiv 2602.05578).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from ovseg_annotate.cost.guidance import Guides

_REACH = 7
_WIDER = 4


class DualStream(nn.Module):
    """An `AggregationLayer`, mixed with convolutions of its input."""

    def __init__(self, layer: nn.Module, width: int) -> None:
        super().__init__()
        self.layer = layer
        self.around = nn.Conv2d(width, width, _REACH, padding=_REACH // 2, groups=width)
        self.norm = nn.GroupNorm(1, width)
        self.wider = nn.Linear(width, _WIDER * width)
        self.narrower = nn.Linear(_WIDER * width, width)
        self.gate = nn.Linear(2 * width, width)
        self.share = nn.Parameter(torch.zeros(width))  # nothing of the local stream, at first

    def forward(self, chunks: Iterable[Tensor], guides: Guides) -> Iterator[Tensor]:
        """Chunks are (windows, concepts, rows, columns, width)."""
        before = list(chunks)
        for own, seen in zip(before, self.layer(before, guides), strict=True):
            yield self._mixed(seen, self._local(own))

    def _local(self, chunk: Tensor) -> Tensor:
        planes = self.norm(self.around(chunk.flatten(0, 1).movedim(3, 1))).movedim(1, 3)
        wide = functional.gelu(self.wider(planes))
        local: Tensor = chunk + self.narrower(wide).view_as(chunk)
        return local

    def _mixed(self, seen: Tensor, local: Tensor) -> Tensor:
        gate = self.gate(torch.cat([local, seen], dim=4)).sigmoid()
        mixed: Tensor = seen + self.share * gate * (local - seen)
        return mixed
