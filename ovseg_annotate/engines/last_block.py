"""Dense features from a CLIP tower by another attention in its last block.

`keys`, `queries` and `values` below are (batch, heads, tokens, head width) as the last block
projects them; s is head width ** -0.5. The first `prefix` tokens (the class token, if any) are
keys like the others, but only grid cells ask. Formulas: MaskCLIP (Zhou et al. 2022, section 3.2),
SCLIP (Wang et al. 2024, section 3.2), ClearCLIP (Lan et al. 2024, section 3.3), NACLIP (Hajimiri
et al. 2025, section 3).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch.nn.functional import scaled_dot_product_attention as attention

from ovseg_annotate.backbones.tower import AttentionBlock, VisionTower
from ovseg_annotate.geometry import Size

# A table of cells x cells numbers is kept for grids up to 2304 cells: 20 MB each in float32.
_LARGEST_KEPT_GRID = 2304
_KEPT_GRIDS = 4

# (last block, tokens that enter it, grid, prefix) -> attended values of the cells, in heads
Attention: TypeAlias = Callable[[AttentionBlock, Tensor, Size, int], Tensor]


@dataclass(frozen=True, slots=True)
class LastBlock:
    """What replaces the last block."""

    attend: Attention
    keeps_rest: bool  # its residual sum and feed-forward half stay, or are left out


def dense_tokens(tower: VisionTower, images: Tensor, last: LastBlock) -> tuple[Tensor, Size]:
    """(batch, 3, height, width) -> (batch, cells, shared width), not unit length; and the grid."""
    tokens, grid = tower.embed(images)
    *blocks, final = tower.blocks_on(grid)
    for block in blocks:
        tokens = block(tokens)
    cells = final.merge(last.attend(final, tokens, grid, tower.prefix))
    if last.keeps_rest:
        cells = final.finish(tokens[:, tower.prefix :], cells)
    return tower.project(cells), grid


def vanilla(block: AttentionBlock, tokens: Tensor, grid: Size, prefix: int) -> Tensor:
    """softmax(s q k'): the block as it was trained; the baseline of the tests."""
    queries, keys, values = block.heads(tokens, "qkv")
    return attention(queries[:, :, prefix:], keys, values)


def maskclip(block: AttentionBlock, tokens: Tensor, grid: Size, prefix: int) -> Tensor:
    """Identity: every cell keeps its own value."""
    (values,) = block.heads(tokens, "v")
    return values[:, :, prefix:]


def sclip(block: AttentionBlock, tokens: Tensor, grid: Size, prefix: int) -> Tensor:
    """softmax(s q q') + softmax(s k k'): a sum, not a mean; rows add up to two."""
    queries, keys, values = block.heads(tokens, "qkv")
    return attention(queries[:, :, prefix:], queries, values) + attention(
        keys[:, :, prefix:], keys, values
    )


def clearclip(block: AttentionBlock, tokens: Tensor, grid: Size, prefix: int) -> Tensor:
    """softmax(s q q')."""
    queries, values = block.heads(tokens, "qv")
    return attention(queries[:, :, prefix:], queries, values)


def naclip(sigma: float) -> Attention:
    """softmax(s k k' + G): similar keys, and neighbours before distant cells."""

    def made(grid: Size, dtype: torch.dtype, device: torch.device) -> Tensor:
        return gaussian_of_distance(grid, sigma, device).to(dtype)

    kept = lru_cache(maxsize=_KEPT_GRIDS)(made)

    def attend(block: AttentionBlock, tokens: Tensor, grid: Size, prefix: int) -> Tensor:
        keys, values = block.heads(tokens, "kv")
        table = kept if grid.area <= _LARGEST_KEPT_GRID else made
        bias = pad(table(grid, keys.dtype, keys.device), (prefix, 0))
        return attention(keys[:, :, prefix:], keys, values, attn_mask=bias)

    return attend


def gaussian_of_distance(grid: Size, sigma: float, device: torch.device) -> Tensor:
    """exp(-distance^2 / (2 sigma^2)) between cells, distance in cells: (cells, cells) float32."""
    rows, columns = (
        torch.exp(-(line[:, None] - line[None, :]).square() / (2 * sigma**2))
        for line in (
            torch.arange(side, dtype=torch.float32, device=device)
            for side in (grid.height, grid.width)
        )
    )
    # The Gaussian of a distance is the product of those along rows and along columns.
    return torch.kron(rows, columns)
