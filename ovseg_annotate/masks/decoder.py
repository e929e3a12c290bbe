"""The decoder of queries: what is in a picture, one thing a query, as a mask and a vector.

The layout is that of MaskFormer (Cheng et al. 2021, section 3.3) without its classifier; looking
within one's own mask is from its successor (Cheng et al. 2022, section 3.2.1) and optional.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from ovseg_annotate.masks.pixels import PixelDecoder, sine_positions
from ovseg_annotate.masks.sizes import MaskSizes


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """What the queries say of pictures."""

    masks: Tensor  # (layers, pictures, queries, rows, columns) logits, the last layer last
    queries: Tensor  # (pictures, queries, hidden) of the last layer


class MaskDecoder(nn.Module):
    """Levels of features from fine to coarse -> masks on the finest and query vectors."""

    def __init__(self, widths: Sequence[int], sizes: MaskSizes) -> None:
        super().__init__()
        hidden = sizes.hidden
        self._heads, self._within_masks = sizes.heads, sizes.within_masks
        self.pixels = PixelDecoder(widths, hidden)
        self.memory = nn.Conv2d(widths[-1], hidden, 1)
        self.places = nn.Parameter(torch.randn(sizes.queries, hidden))
        self.layers = nn.ModuleList(QueryLayer(sizes) for _ in range(sizes.layers))
        self.norm = nn.LayerNorm(hidden)
        self.mask_vectors = perceptron(hidden, hidden, hidden, hidden)

    def forward(self, levels: Sequence[Tensor]) -> Decoded:
        pixels = self.pixels(levels)
        coarse = self.memory(levels[-1])
        memory = coarse.flatten(2).transpose(1, 2)  # (pictures, cells, hidden)
        keys = memory + sine_positions(coarse)
        queries = torch.zeros_like(self.places).expand(len(pixels), -1, -1)
        masks: list[Tensor] = []
        if self._within_masks:
            masks.append(self._masks(queries + self.places, pixels))
        for layer in self.layers:
            hidden = self._hidden(masks[-1], coarse) if self._within_masks else None
            queries = layer(queries, self.places, keys, memory, hidden)
            masks.append(self._masks(queries, pixels))
        return Decoded(torch.stack(masks), self.norm(queries))

    def _masks(self, queries: Tensor, pixels: Tensor) -> Tensor:
        return torch.einsum("pqh,phyx->pqyx", self.mask_vectors(self.norm(queries)), pixels)

    def _hidden(self, masks: Tensor, coarse: Tensor) -> Tensor:
        """(pictures * heads, queries, cells): where a query must not look."""
        small = functional.interpolate(masks.detach(), coarse.shape[-2:], mode="bilinear")
        outside = (small < 0).flatten(2)
        outside &= ~outside.all(dim=-1, keepdim=True)  # who sees nothing may look everywhere
        return outside.repeat_interleave(self._heads, dim=0)


class QueryLayer(nn.Module):
    """Queries look at one another, then at the picture, then think; normalised after each."""

    def __init__(self, sizes: MaskSizes) -> None:
        super().__init__()
        hidden = sizes.hidden
        self.among = nn.MultiheadAttention(hidden, sizes.heads, sizes.dropout, batch_first=True)
        self.across = nn.MultiheadAttention(hidden, sizes.heads, sizes.dropout, batch_first=True)
        self.think = nn.Sequential(
            nn.Linear(hidden, sizes.feedforward),
            nn.ReLU(),
            nn.Dropout(sizes.dropout),
            nn.Linear(sizes.feedforward, hidden),
        )
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in range(3))
        self.dropout = nn.Dropout(sizes.dropout)

    def forward(
        self, queries: Tensor, places: Tensor, keys: Tensor, memory: Tensor, hidden: Tensor | None
    ) -> Tensor:
        placed = queries + places
        told, _ = self.among(placed, placed, queries, need_weights=False)
        queries = self.norms[0](queries + self.dropout(told))
        seen, _ = self.across(queries + places, keys, memory, attn_mask=hidden, need_weights=False)
        queries = self.norms[1](queries + self.dropout(seen))
        thought: Tensor = self.norms[2](queries + self.dropout(self.think(queries)))
        return thought


def perceptron(*widths: int) -> nn.Sequential:
    """Linear layers with a ReLU between them."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])
