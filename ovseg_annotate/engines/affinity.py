"""Attention by the likeness of features instead of queries and keys.

Formula: ProxyCLIP (Lan et al. 2024, section 3.3). SC-CLIP uses the same normalisation.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ovseg_annotate.backbones.tower import VisionTower
from ovseg_annotate.geometry import Size


@dataclass(frozen=True, slots=True)
class Sharpness:
    """How a cosine becomes attention: gamma * (cosine - beta * mean cosine), negatives cut off."""

    beta: float = 1.2
    gamma: float = 3.0


def affinity(cosines: Tensor, sharpness: Sharpness) -> Tensor:
    """(batch, cells, cells) cosines -> attention whose rows sum to one.

    The mean is each picture's own: a batch must not mix pictures. A cell always sees itself: in a
    uniform picture every cosine lies below beta * mean, and a row of nothing would be NaN.
    """
    mean = cosines.mean(dim=(1, 2), keepdim=True)
    logits = sharpness.gamma * (cosines - sharpness.beta * mean)
    itself = torch.eye(cosines.shape[1], dtype=torch.bool, device=cosines.device)
    return logits.masked_fill((logits < 0) & ~itself, -torch.inf).softmax(dim=-1)


def cosines_of(tokens: Tensor) -> Tensor:
    """(batch, cells, width) -> (batch, cells, cells), in float32."""
    unit = functional.normalize(tokens.float(), dim=-1)
    return unit @ unit.transpose(1, 2)


def proxy_tokens(
    tower: VisionTower, images: Tensor, guide: Tensor, sharpness: Sharpness
) -> tuple[Tensor, Size]:
    """Dense tokens on the grid of a guide: any feature map (batch, width, rows, columns).

    The last block's values are resized to that grid and gathered by the guide's likeness; residual
    and feed-forward are left out. (batch, cells of the guide, shared width), not unit length.
    """
    tokens, grid = tower.embed(images)
    *blocks, final = tower.blocks_on(grid)
    for block in blocks:
        tokens = block(tokens)
    (values,) = final.heads(tokens, "v")
    rows, columns = guide.shape[-2:]
    values = _resized(values[:, :, tower.prefix :], grid, Size(rows, columns))
    weights = affinity(cosines_of(guide.flatten(2).transpose(1, 2)), sharpness)
    attended = weights.to(values.dtype)[:, None] @ values
    return tower.project(final.merge(attended)), Size(rows, columns)


def _resized(values: Tensor, grid: Size, wanted: Size) -> Tensor:
    """(batch, heads, cells, head width) on one grid -> on another, bilinear."""
    batch, heads, _, width = values.shape
    maps = values.transpose(2, 3).reshape(batch * heads, width, grid.height, grid.width)
    maps = functional.interpolate(maps, (wanted.height, wanted.width), mode="bilinear")
    return maps.reshape(batch, heads, width, wanted.area).transpose(2, 3)
