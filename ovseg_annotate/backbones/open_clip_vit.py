"""open_clip's own vision transformers: every configuration with a class token, and CLIPA."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from open_clip.transformer import ResidualAttentionBlock, VisionTransformer
from torch import Tensor

from ovseg_annotate.backbones.heads import attended, fused_parts, merge_heads, split_heads
from ovseg_annotate.backbones.positions import PositionRule, PositionTable, grid_of
from ovseg_annotate.backbones.tower import AttentionBlock, TowerCard
from ovseg_annotate.errors import ModelError
from ovseg_annotate.geometry import Size


class OpenClipBlock:
    """A block of open_clip's transformer, opened up."""

    def __init__(self, block: ResidualAttentionBlock) -> None:
        self._block = block

    def __call__(self, tokens: Tensor) -> Tensor:
        # As the library's block in inference, but without the copies that its attention makes.
        queries, keys, values = self.heads(tokens, "qkv")
        return self.finish(tokens, self.merge(attended(queries, keys, values)))

    def heads(self, tokens: Tensor, parts: str) -> tuple[Tensor, ...]:
        attention = self._block.attn
        projected = fused_parts(
            self._block.ln_1(tokens), attention.in_proj_weight, attention.in_proj_bias, parts
        )
        return tuple(split_heads(part, attention.num_heads) for part in projected)

    def merge(self, attended: Tensor) -> Tensor:
        merged: Tensor = self._block.ls_1(self._block.attn.out_proj(merge_heads(attended)))
        return merged

    def finish(self, tokens: Tensor, merged: Tensor) -> Tensor:
        tokens = tokens + merged
        finished: Tensor = tokens + self._block.ls_2(self._block.mlp(self._block.ln_2(tokens)))
        return finished


class OpenClipVision:
    """A VisionTower over open_clip's `VisionTransformer`."""

    prefix = 1  # CLIPA averages the cells in the end, but its class token takes part as well

    def __init__(
        self, visual: VisionTransformer, card: TowerCard, positions: PositionRule = "size"
    ) -> None:
        blocks = visual.transformer.resblocks
        if not all(isinstance(block, ResidualAttentionBlock) for block in blocks):
            raise ModelError(
                f"{card.name} has open_clip's custom attention blocks, which cannot be opened up; "
                "choose a configuration with plain blocks"
            )
        self.card = card
        self._visual = visual
        self._blocks: tuple[AttentionBlock, ...] = tuple(OpenClipBlock(block) for block in blocks)
        self._positions = PositionTable(
            lambda: visual.positional_embedding, Size(*visual.grid_size), self.prefix, positions
        )

    @property
    def blocks(self) -> Sequence[AttentionBlock]:
        return self._blocks

    def blocks_on(self, grid: Size) -> Sequence[AttentionBlock]:
        del grid  # positions are added once, at the input
        return self._blocks

    def embed(self, images: Tensor) -> tuple[Tensor, Size]:
        visual = self._visual
        grid = grid_of(images, self.card.stride)
        cells = visual.conv1(images).flatten(2).transpose(1, 2)  # (batch, cells, width)
        first = visual.class_embedding.to(cells.dtype).expand(len(cells), 1, -1)
        tokens = torch.cat([first, cells], dim=1) + self._positions.on(grid, cells.dtype)
        embedded: Tensor = visual.ln_pre(visual.patch_dropout(tokens))
        return embedded, grid

    def project(self, tokens: Tensor) -> Tensor:
        # CLIPA normalises after its average; on one token that is the same thing.
        projected: Tensor = self._visual.ln_post(tokens) @ self._visual.proj
        return projected
