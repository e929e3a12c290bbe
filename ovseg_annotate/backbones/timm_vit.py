"""Vision transformers of timm inside open_clip: MobileCLIP-B and -L, SigLIP and SigLIP2.

The rotary ones are in `eva.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from ovseg_annotate.backbones.heads import fused_parts, merge_heads, split_heads
from ovseg_annotate.backbones.positions import PositionRule, PositionTable, grid_of
from ovseg_annotate.backbones.tower import AttentionBlock, TowerCard
from ovseg_annotate.errors import ModelError
from ovseg_annotate.geometry import Size

# (network of open_clip, tokens of its width) -> tokens in the space shared with text
Projection: TypeAlias = Callable[[Any, Tensor], Tensor]


class TimmBlock:
    """A plain block of timm's vision transformer, opened up."""

    def __init__(self, block: Any, name: str) -> None:
        refuse_special_attention(block.attn, name)
        self._block = block

    def __call__(self, tokens: Tensor) -> Tensor:
        whole: Tensor = self._block(tokens)
        return whole

    def heads(self, tokens: Tensor, parts: str) -> tuple[Tensor, ...]:
        attention = self._block.attn
        projected = fused_parts(
            self._block.norm1(tokens), attention.qkv.weight, attention.qkv.bias, parts
        )
        return tuple(split_heads(part, attention.num_heads) for part in projected)

    def merge(self, attended: Tensor) -> Tensor:
        attention = self._block.attn
        merged: Tensor = self._block.ls1(attention.proj(attention.norm(merge_heads(attended))))
        return merged

    def finish(self, tokens: Tensor, merged: Tensor) -> Tensor:
        tokens = tokens + merged
        finished: Tensor = tokens + self._block.ls2(self._block.mlp(self._block.norm2(tokens)))
        return finished


class TimmInput:
    """From pixels to tokens for any grid: timm checks for one size and knows one table."""

    def __init__(self, trunk: Any, positions: PositionRule) -> None:
        trunk.patch_embed.strict_img_size = False
        self.prefix: int = trunk.num_prefix_tokens
        self._trunk = trunk
        self._stride: int = trunk.patch_embed.feat_ratio()
        self._positions = PositionTable(
            lambda: trunk.pos_embed[0],
            Size(*trunk.patch_embed.grid_size),
            0 if trunk.no_embed_class else self.prefix,
            positions,
        )

    def __call__(self, images: Tensor) -> tuple[Tensor, Size]:
        trunk = self._trunk
        grid = grid_of(images, self._stride)
        tokens = trunk.patch_embed(images)  # (batch, cells, width)
        positions = self._positions.on(grid, tokens.dtype)
        if trunk.no_embed_class:  # the class token has no place of its own
            tokens = self._with_prefix(tokens + positions)
        else:
            tokens = self._with_prefix(tokens) + positions
        embedded: Tensor = trunk.norm_pre(tokens)
        return embedded, grid

    def _with_prefix(self, cells: Tensor) -> Tensor:
        if not self.prefix:
            return cells
        first = self._trunk.cls_token.to(cells.dtype).expand(len(cells), -1, -1)
        return torch.cat([first, cells], dim=1)


class TimmVision:
    """A VisionTower over timm's `VisionTransformer`."""

    def __init__(
        self,
        visual: Any,
        card: TowerCard,
        projection: Projection,
        positions: PositionRule = "size",
    ) -> None:
        self.card = card
        self._visual = visual
        self._input = TimmInput(visual.trunk, positions)
        self._projection = projection
        self._blocks: tuple[AttentionBlock, ...] = tuple(
            TimmBlock(block, card.name) for block in visual.trunk.blocks
        )

    @property
    def prefix(self) -> int:
        return self._input.prefix

    @property
    def blocks(self) -> Sequence[AttentionBlock]:
        return self._blocks

    def blocks_on(self, grid: Size) -> Sequence[AttentionBlock]:
        del grid  # positions are added once, at the input
        return self._blocks

    def embed(self, images: Tensor) -> tuple[Tensor, Size]:
        return self._input(images)

    def project(self, tokens: Tensor) -> Tensor:
        return self._projection(self._visual, tokens)


def class_token_projection(visual: Any, tokens: Tensor) -> Tensor:
    """Every token the way of the class token."""
    trunk = visual.trunk
    projected: Tensor = visual.head(trunk.head(trunk.fc_norm(trunk.norm(tokens))))
    return projected


def attention_pool_projection(visual: Any, tokens: Tensor) -> Tensor:
    """Every token the way of what the pooling reads: SigLIP.

    A learned query reads the grid, and only what comes out behind that pooling is compared with
    text. The tokens themselves are in another space, so each one goes the way it would go if the
    query attended to it alone: value, output projection, residual multilayer perceptron.
    """
    trunk = visual.trunk
    pool = trunk.attn_pool
    width = pool.kv.in_features
    # The fused projection holds keys, then values.
    values = functional.linear(trunk.norm(tokens), pool.kv.weight[width:], pool.kv.bias[width:])
    read = pool.proj(values)
    read = read + pool.mlp(pool.norm(read))
    projected: Tensor = visual.head(trunk.head(trunk.fc_norm(read)))
    return projected


def refuse_special_attention(attention: Any, name: str) -> None:
    """Heads that are normalised or gated have parts that the adapters would leave out."""
    plain = all(isinstance(norm, nn.Identity) for norm in (attention.q_norm, attention.k_norm))
    if not plain or attention.gate is not None:
        raise ModelError(
            f"{name} has normalised or gated attention heads, which cannot be opened up; "
            "choose a configuration with plain attention"
        )
