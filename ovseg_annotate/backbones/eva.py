"""EVA and EVA02 towers of timm: rotary positions, split projections, inner or post norms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from timm.layers.pos_embed_sincos import RotaryEmbeddingCat, apply_rot_embed_cat
from timm.models.eva import EvaBlock as PreNormBlock
from timm.models.eva import EvaBlockPostNorm as PostNormBlock
from torch import Tensor

from ovseg_annotate.backbones.heads import fused_parts, merge_heads, split_heads
from ovseg_annotate.backbones.positions import PerGrid, PositionRule
from ovseg_annotate.backbones.timm_vit import (
    TimmInput,
    class_token_projection,
    refuse_special_attention,
)
from ovseg_annotate.backbones.tower import AttentionBlock, TowerCard
from ovseg_annotate.errors import ModelError
from ovseg_annotate.geometry import Size


class Rotation:
    """The rotary positions of one grid: turns queries and keys, leaves the class token alone."""

    def __init__(self, grid: Size, table: Tensor) -> None:
        self.grid = grid
        self.table = table  # (cells, 2 x head width): sines, then cosines

    def turned(self, heads: Tensor) -> Tensor:
        """(batch, heads, tokens, head width) -> the same, turned."""
        prefix = heads.shape[2] - self.grid.area
        cells = apply_rot_embed_cat(heads[:, :, prefix:], self.table)
        return torch.cat([heads[:, :, :prefix], cells], dim=2).to(heads.dtype)


class EvaBlock:
    """A block of timm's `Eva` on one grid, opened up."""

    def __init__(self, block: PreNormBlock | PostNormBlock, rotation: Rotation | None) -> None:
        self._block: Any = block
        self._post_norm = isinstance(block, PostNormBlock)
        self._rotation = rotation

    def __call__(self, tokens: Tensor) -> Tensor:
        self._refuse_other_grids(tokens)
        table = None if self._rotation is None else self._rotation.table
        whole: Tensor = self._block(tokens, rope=table)
        return whole

    def heads(self, tokens: Tensor, parts: str) -> tuple[Tensor, ...]:
        self._refuse_other_grids(tokens)
        attention = self._block.attn
        given = tokens if self._post_norm else self._block.norm1(tokens)
        split = (split_heads(part, attention.num_heads) for part in self._parts(given, parts))
        return tuple(
            part if name == "v" or self._rotation is None else self._rotation.turned(part)
            for name, part in zip(parts, split, strict=True)
        )

    def _parts(self, given: Tensor, parts: str) -> tuple[Tensor, ...]:
        attention = self._block.attn
        if attention.qkv is None:
            layers = {"q": attention.q_proj, "k": attention.k_proj, "v": attention.v_proj}
            return tuple(layers[part](given) for part in parts)
        bias = None
        if attention.q_bias is not None:
            bias = torch.cat([attention.q_bias, attention.k_bias, attention.v_bias])
        return fused_parts(given, attention.qkv.weight, bias, parts)

    def merge(self, attended: Tensor) -> Tensor:
        block, attention = self._block, self._block.attn
        merged: Tensor = attention.proj(attention.norm(merge_heads(attended)))
        if self._post_norm:
            merged = block.norm1(merged)
        elif block.gamma_1 is not None:
            merged = block.gamma_1 * merged
        return merged

    def finish(self, tokens: Tensor, merged: Tensor) -> Tensor:
        block = self._block
        tokens = tokens + merged
        if self._post_norm:
            second: Tensor = block.norm2(block.mlp(tokens))
            return tokens + second
        second = block.mlp(block.norm2(tokens))
        return tokens + (second if block.gamma_2 is None else block.gamma_2 * second)

    def _refuse_other_grids(self, tokens: Tensor) -> None:
        rotation = self._rotation
        if rotation is not None and not 0 <= tokens.shape[1] - rotation.grid.area <= 1:
            raise ModelError(
                f"expected tokens of a {rotation.grid.height} x {rotation.grid.width} grid, got "
                f"{tokens.shape[1]} tokens; ask the tower for its blocks on the grid of the tokens"
            )


class EvaVision:
    """A VisionTower over timm's `Eva` with a class token."""

    def __init__(self, visual: Any, card: TowerCard, positions: PositionRule = "size") -> None:
        trunk = visual.trunk
        for block in trunk.blocks:
            refuse_special_attention(block.attn, card.name)
        self.card = card
        self._visual = visual
        self._input = TimmInput(trunk, positions)
        self._rotations = None if trunk.rope is None else PerGrid(_rotations_like(trunk.rope))
        self._native = Size(*trunk.patch_embed.grid_size)

    @property
    def prefix(self) -> int:
        return self._input.prefix

    @property
    def blocks(self) -> Sequence[AttentionBlock]:
        return self.blocks_on(self._native)

    def blocks_on(self, grid: Size) -> Sequence[AttentionBlock]:
        rotation = None
        if self._rotations is not None:
            # Sines and cosines stay float32: a turned half-precision head is rounded once.
            device = self._visual.trunk.pos_embed.device
            rotation = Rotation(grid, self._rotations(grid, torch.float32, device))
        return tuple(EvaBlock(block, rotation) for block in self._visual.trunk.blocks)

    def embed(self, images: Tensor) -> tuple[Tensor, Size]:
        return self._input(images)

    def project(self, tokens: Tensor) -> Tensor:
        return class_token_projection(self._visual, tokens)


def _rotations_like(rope: Any) -> Callable[[Size, torch.dtype, torch.device], Tensor]:
    """The tower's own rotary positions, for any grid instead of the one of its training.

    Both scale a grid to the one of the first training, so a larger window keeps its frame.
    """
    rotary = RotaryEmbeddingCat(
        rope.dim,
        temperature=rope.temperature,
        in_pixels=rope.in_pixels,
        ref_feat_shape=rope.ref_feat_shape,
        grid_offset=rope.grid_offset,
        grid_indexing=rope.grid_indexing,
        rotate_half=rope.rotate_half,
    )

    def made(grid: Size, dtype: torch.dtype, device: torch.device) -> Tensor:
        table: Tensor = rotary.get_embed([grid.height, grid.width], dtype=dtype)
        return table.to(device)

    return made
