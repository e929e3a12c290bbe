"""One pass through a tower for the heads that are trained on it: cells, middle layers, the whole.

The last block's attention is replaced by its value path, as MaskCLIP (Zhou et al. 2022, section
3.2) and CAT-Seg (Cho et al. 2024, section 3.1) do; the latter's heads need its odd residual.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from ovseg_annotate.backbones.heads import attended
from ovseg_annotate.backbones.tower import AttentionBlock, VisionTower
from ovseg_annotate.errors import ModelError

# The way of cells through the last block. "whole": what it was trained to do. "values": every cell
# keeps its own value. "values_on_class": likewise, but what the value is added to is the class
# token instead of the cell; the weights that CAT-Seg published were trained so.
CellPath: TypeAlias = Literal["whole", "values", "values_on_class"]


@dataclass(frozen=True, slots=True, eq=False)
class TappedFeatures:
    """What a tower tells of windows; nothing has unit length."""

    cells: Tensor  # (windows, shared width, rows, columns)
    taps: Tensor  # (windows, taps, width of the tower, rows, columns)
    whole: Tensor  # (windows, shared width): the ordinary embedding of each window

    def in_float32(self) -> TappedFeatures:
        return TappedFeatures(self.cells.float(), self.taps.float(), self.whole.float())


def tapped_features(
    tower: VisionTower, images: Tensor, taps: tuple[int, ...], last: CellPath
) -> TappedFeatures:
    """(windows, 3, height, width) -> features; a tap is the output of a block, counted from 0."""
    tokens, grid = tower.embed(images)
    *blocks, final = tower.blocks_on(grid)
    _refuse_odd_towers(tower, len(blocks), taps)
    outputs: dict[int, Tensor] = {}
    for number, block in enumerate(blocks):
        tokens = block(tokens)
        if number in taps:
            outputs[number] = tokens[:, tower.prefix :]
    projected = tower.project(_last_tokens(final, tokens, last))
    shape = (len(images), -1, grid.height, grid.width)
    tapped = [outputs[number].transpose(1, 2).reshape(shape) for number in taps]
    return TappedFeatures(
        cells=projected[:, 1:].transpose(1, 2).reshape(shape),
        taps=torch.stack(tapped, dim=1) if tapped else projected.new_zeros(len(images), 0),
        whole=projected[:, 0],
    )


def usual_taps(blocks: int) -> tuple[int, int]:
    """The ends of the first and second third: 3 and 7 of 12 blocks, 7 and 15 of 24."""
    if blocks < 3:
        raise ModelError(
            f"a head reads two layers before the last and needs a tower of 3 blocks or more, got "
            f"{blocks}; choose a deeper tower"
        )
    return blocks // 3 - 1, 2 * blocks // 3 - 1


def _last_tokens(final: AttentionBlock, tokens: Tensor, last: CellPath) -> Tensor:
    """(windows, 1 + cells, width): the class token as trained, the cells as asked."""
    if last == "whole":
        return final(tokens)
    first, cells = tokens[:, :1], tokens[:, 1:]
    queries, keys, values = final.heads(tokens, "qkv")
    whole = final.finish(first, final.merge(attended(queries[:, :, :1], keys, values)))
    residual = first.expand_as(cells) if last == "values_on_class" else cells
    return torch.cat([whole, final.finish(residual, final.merge(values[:, :, 1:]))], dim=1)


def _refuse_odd_towers(tower: VisionTower, blocks: int, taps: tuple[int, ...]) -> None:
    if tower.prefix != 1:
        raise ModelError(
            f"{tower.card.name} has no class token, which these heads read; choose a tower with "
            "one, such as ViT-B-16-quickgelu/openai"
        )
    if not all(0 <= tap < blocks for tap in taps):
        raise ModelError(
            f"{tower.card.name} has {blocks} blocks before its last, got taps {taps}; allowed: 0 "
            f"to {blocks - 1}"
        )
