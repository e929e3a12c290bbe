"""The ways from a picture to dense tokens that training makes good at once.

`plain` is the tower as it stands. `neighbours` is what a training-free engine reads at run time:
the last block reduced to attention between keys plus a gaussian of the distance, without
residual and without feed-forward (NACLIP, "Pay Attention to Your Neighbours", 2025, section 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

_SIGMA = 5.0  # patches

Corner: TypeAlias = tuple[int, int]  # patches down, patches to the right


@dataclass(frozen=True, slots=True, eq=False)
class DenseTokens:
    """Unit vectors of a batch of pictures; patches row by row."""

    picture: Tensor  # (pictures, embed)
    plain: Tensor  # (pictures, patches, embed)
    neighbours: Tensor  # (pictures, patches, embed)


def dense_tokens(visual: Any, pictures: Tensor, corner: Corner = (0, 0)) -> DenseTokens:
    """Run an open_clip vision transformer once and read both paths.

    Pictures smaller than the tower's own size are taken for a part of one, `corner` patches down
    and to the right: they get the positions of that part.
    """
    tokens, grid = embedded(visual, pictures, corner)
    bias = gaussian_bias(grid).to(pictures.device)
    *first, last = visual.transformer.resblocks
    for block in first:
        tokens = block(tokens)
    plain = _projected(visual, last(tokens))
    neighbours = _projected(visual, neighbour_attention(last, tokens, bias)[:, 1:])
    return DenseTokens(plain[:, 0], plain[:, 1:], neighbours)


def embedded(visual: Any, pictures: Tensor, corner: Corner) -> tuple[Tensor, int]:
    """The tokens that enter the first block, and how many patches a side has."""
    patches = visual.conv1(pictures)  # (pictures, width, grid, grid)
    grid = patches.shape[-1]
    table = visual.positional_embedding
    whole = table[1:].unflatten(0, visual.grid_size)
    top, left = corner
    positions = whole[top : top + grid, left : left + grid].flatten(0, 1)
    tokens = patches.flatten(2).transpose(1, 2) + positions
    first = (visual.class_embedding + table[0]).expand(len(tokens), 1, -1)
    return visual.ln_pre(torch.cat([first.to(tokens.dtype), tokens], dim=1)), grid


def neighbour_attention(block: Any, tokens: Tensor, bias: Tensor) -> Tensor:
    """softmax(k k' / sqrt(d) + bias) v, projected; no residual and no feed-forward."""
    attention = block.attn
    width, heads = attention.embed_dim, attention.num_heads
    weight, offset = attention.in_proj_weight[width:], attention.in_proj_bias[width:]
    batch, length, _ = tokens.shape
    projected = F.linear(block.ln_1(tokens), weight, offset)
    key, value = projected.view(batch, length, 2, heads, width // heads).permute(2, 0, 3, 1, 4)
    mixed = F.scaled_dot_product_attention(key, key, value, attn_mask=bias.to(key.dtype))
    merged = mixed.transpose(1, 2).reshape(batch, length, width)
    out: Tensor = block.ls_1(attention.out_proj(merged))
    return out


def gaussian_bias(grid: int) -> Tensor:
    """exp(-distance^2 / (2 sigma^2)) of patches, `(1 + n, 1 + n)`; zero for the first token."""
    line = torch.arange(grid, dtype=torch.float32)
    places = torch.cartesian_prod(line, line)  # (n, 2) of (row, column)
    squared = (places[:, None] - places[None, :]).square().sum(-1)
    bias = torch.zeros(grid * grid + 1, grid * grid + 1)
    bias[1:, 1:] = torch.exp(-squared / (2 * _SIGMA**2))
    return bias


def encode_phrases(model: Any, tokens: Tensor) -> Tensor:
    """Unit vectors `(phrases, embed)`; the text tower sees only as many places as are used.

    The text tower is causal and pools at the end mark, so places behind the longest phrase
    change nothing and would cost most of the time.
    """
    length = int((tokens != 0).sum(dim=1).max())
    tokens = tokens[:, :length]
    x = model.token_embedding(tokens) + model.positional_embedding[:length]
    x = model.transformer(x, attn_mask=model.attn_mask[:length, :length])
    ends = tokens.argmax(dim=1)
    x = model.ln_final(x)[torch.arange(len(tokens), device=tokens.device), ends]
    return F.normalize((x @ model.text_projection).float(), dim=-1)


def _projected(visual: Any, tokens: Tensor) -> Tensor:
    return F.normalize((visual.ln_post(tokens) @ visual.proj).float(), dim=-1)
