"""Cells of one concept look at one another, in windows, with the picture's features as a guide.

Formula: "Swin Transformer" (Liu et al. 2021, section 3.2) as CAT-Seg (Cho et al. 2024, section
3.2) uses it: without positions, queries and keys see the guide. Tensors are (windows of the
picture, concepts, rows, columns, width).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ovseg_annotate.cost.guidance import guided
from ovseg_annotate.cost.options import TrunkSizes


@dataclass(frozen=True, slots=True)
class Partition:
    """How one side of a grid is cut: as few equal pieces as the largest side allows."""

    length: int  # cells
    count: int
    side: int  # cells of a piece
    shift: int  # of the pieces against the grid; 0 where there is one piece

    @classmethod
    def of(cls, length: int, largest: int, *, shifted: bool) -> Partition:
        count = math.ceil(length / largest)
        side = math.ceil(length / count)
        return cls(length, count, side, side // 2 if shifted and count > 1 else 0)

    @property
    def padding(self) -> int:
        return self.count * self.side - self.length

    @property
    def whole(self) -> bool:
        """Every cell of a piece may look at every other."""
        return self.shift == 0 and self.padding == 0

    def neighbourhoods(self, device: torch.device) -> Tensor:
        """(count * side,): cells of a piece that differ here are no neighbours, or padding."""
        place = torch.arange(self.count * self.side, device=device)
        wrapped = place + self.shift >= len(place)
        padded = (place + self.shift) % len(place) >= self.length
        return wrapped + 2 * padded.long()


@dataclass(frozen=True, slots=True)
class Pieces:
    """How a grid is cut into attention windows."""

    rows: Partition
    columns: Partition

    @classmethod
    def of(cls, rows: int, columns: int, largest: int, *, shifted: bool) -> Pieces:
        return cls(
            Partition.of(rows, largest, shifted=shifted),
            Partition.of(columns, largest, shifted=shifted),
        )

    def cut(self, planes: Tensor, heads: int) -> Tensor:
        """(planes, rows, columns, width) -> (planes, pieces, heads, cells, head width)."""
        rows, columns = self.rows, self.columns
        if rows.padding or columns.padding:
            planes = functional.pad(planes, (0, 0, 0, columns.padding, 0, rows.padding))
        if rows.shift or columns.shift:
            planes = planes.roll((-rows.shift, -columns.shift), dims=(1, 2))
        cut = planes.reshape(
            len(planes), rows.count, rows.side, columns.count, columns.side, heads, -1
        )
        return cut.permute(0, 1, 3, 5, 2, 4, 6).flatten(4, 5).flatten(1, 2)

    def joined(self, pieces: Tensor) -> Tensor:
        """The way back: (planes, rows, columns, width)."""
        rows, columns = self.rows, self.columns
        planes, _, heads, _, width = pieces.shape
        split = pieces.view(
            planes, rows.count, columns.count, heads, rows.side, columns.side, width
        )
        whole = split.permute(0, 1, 4, 2, 5, 3, 6).reshape(
            planes, rows.count * rows.side, columns.count * columns.side, heads * width
        )
        if rows.shift or columns.shift:
            whole = whole.roll((rows.shift, columns.shift), dims=(1, 2))
        return whole[:, : rows.length, : columns.length]

    def may_look(self, device: torch.device) -> Tensor | None:
        """(pieces, 1, cells, cells) bool, or None where every cell may look at every other."""
        if self.rows.whole and self.columns.whole:
            return None
        down = self.rows.neighbourhoods(device)
        across = self.columns.neighbourhoods(device)
        groups = down[:, None] * 4 + across[None, :]  # neighbourhoods are numbered 0 to 3
        cut = groups.view(self.rows.count, self.rows.side, self.columns.count, self.columns.side)
        of_piece = cut.transpose(1, 2).flatten(2).flatten(0, 1)  # (pieces, cells)
        return (of_piece[:, :, None] == of_piece[:, None, :])[:, None]


class SpatialBlock(nn.Module):
    """Attention within windows, then a multilayer perceptron."""

    def __init__(self, sizes: TrunkSizes, *, shifted: bool) -> None:
        super().__init__()
        width, both = sizes.hidden, sizes.hidden + sizes.visual_guide
        self.heads, self.largest, self.shifted = sizes.heads, sizes.window, shifted
        self.norm1 = nn.LayerNorm(width)
        self.queries = nn.Linear(both, width)
        self.keys = nn.Linear(both, width)
        self.values = nn.Linear(width, width)
        self.merge = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.rest = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, chunk: Tensor, guide: Tensor) -> Tensor:
        """`guide` is (windows, 1, rows, columns, width)."""
        normed = self.norm1(chunk)
        _, _, rows, columns, _ = chunk.shape
        pieces = Pieces.of(rows, columns, self.largest, shifted=self.shifted)
        attended = functional.scaled_dot_product_attention(
            pieces.cut(guided(self.queries, normed, guide).flatten(0, 1), self.heads),
            pieces.cut(guided(self.keys, normed, guide).flatten(0, 1), self.heads),
            pieces.cut(self.values(normed).flatten(0, 1), self.heads),
            attn_mask=pieces.may_look(chunk.device),
        )
        chunk = chunk + self.merge(pieces.joined(attended)).view_as(chunk)
        finished: Tensor = chunk + self.rest(self.norm2(chunk))
        return finished


class SpatialMixing(nn.Module):
    """Two blocks, the second with its windows shifted by half a side."""

    def __init__(self, sizes: TrunkSizes) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(sizes.visual_guide)
        self.blocks = nn.ModuleList(
            SpatialBlock(sizes, shifted=shifted) for shifted in (False, True)
        )

    def forward(self, chunk: Tensor, guide: Tensor) -> Tensor:
        """`guide` is (windows, rows, columns, width)."""
        normed = self.norm(guide)[:, None]
        for block in self.blocks:
            chunk = block(chunk, normed)
        return chunk
