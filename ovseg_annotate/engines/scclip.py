"""Self-calibrated dense features: odd tokens repaired, likeness of middle layers as attention.

Formulas: SC-CLIP ("Self-Calibrated CLIP for Training-Free Open-Vocabulary Segmentation",
Bai et al. 2024, section 3), here for any grid and batch. `f[i]` is the output of block i.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.functional import scaled_dot_product_attention as attention

from ovseg_annotate.backbones.tower import AttentionBlock, VisionTower
from ovseg_annotate.engines.affinity import Sharpness, affinity, cosines_of
from ovseg_annotate.errors import ModelError
from ovseg_annotate.geometry import Size

_TIE = 1e-5


@dataclass(frozen=True, slots=True)
class Depths:
    """Which block outputs take part, counted from 0."""

    likeness: int  # gives the attention of the last block
    smoothing: int  # gives the last averaging
    first: int  # of the run of blocks whose outputs are added up for the second pass
    last: int  # of that run

    @classmethod
    def of(cls, blocks: int) -> Depths:
        """The published depths of a 12-block tower, in proportion for another one."""
        if blocks < 2:
            raise ModelError(
                f"scclip looks into middle blocks and needs a tower of 2 blocks or more, got "
                f"{blocks}; use naclip with this tower"
            )

        def scaled(depth: int) -> int:
            return min(max(round((depth + 1) * blocks / 12) - 1, 0), blocks - 2)

        return cls(likeness=scaled(8), smoothing=scaled(3), first=scaled(3), last=scaled(9))


@dataclass(frozen=True, slots=True)
class Calibration:
    """The published constants."""

    least_cosine: float = 0.4  # smaller ones do not take part in averaging
    class_share: float = 0.3  # of the class token, added to every cell
    neighbours: int = 30  # that a cell is compared with
    odd_share: float = 0.05  # of the cells are taken as odd
    sharpness: Sharpness = field(default_factory=lambda: Sharpness(beta=1.0, gamma=3.0))


@dataclass(frozen=True, slots=True, eq=False)
class _Depth:
    """What is kept of the way through the tower; all with prefix tokens."""

    likeness: Tensor
    smoothing: Tensor
    total: Tensor  # of the run of outputs
    final: Tensor  # what enters the last block


def scclip_tokens(
    tower: VisionTower, images: Tensor, depths: Depths, calibration: Calibration
) -> tuple[Tensor, Size]:
    """(batch, 3, height, width) -> (batch, cells, shared width), not unit length; and the grid."""
    tokens, grid = tower.embed(images)
    *blocks, final = tower.blocks_on(grid)
    kept = _walked(blocks, tokens, depths)
    prefix = tower.prefix
    odd = odd_cells(kept.final[:, prefix:], calibration)
    repaired = without_odd_cells(kept.final[:, prefix:], odd, grid)
    cosines = cosines_of(without_odd_cells(kept.likeness[:, prefix:], odd, grid))
    calm = _averaged(repaired, cosines, calibration.least_cosine)

    weights = affinity(cosines, calibration.sharpness)
    first = _attended(final, kept.final, calm, weights)
    second = _attended(final, kept.total, kept.total[:, prefix:], weights)
    if prefix:
        first = first + calibration.class_share * kept.final[:, :1]
        second = second + calibration.class_share * kept.total[:, :1]
    smoothing = cosines_of(kept.smoothing[:, prefix:])
    return tower.project(_averaged(first + second, smoothing, calibration.least_cosine)), grid


def odd_cells(cells: Tensor, calibration: Calibration) -> Tensor:
    """Which cells lie outside the density of their neighbours: (batch, cells) bool."""
    if cells.shape[1] < 3:
        return torch.zeros(cells.shape[:2], dtype=torch.bool, device=cells.device)
    scores = outlier_scores(cells, calibration.neighbours)
    limit = scores.quantile(1 - calibration.odd_share, dim=1, keepdim=True)
    # On few cells scores tie; rounding must not choose which of them is odd.
    return scores > limit * (1 + _TIE)


def outlier_scores(cells: Tensor, neighbours: int) -> Tensor:
    """Local outlier factor of every cell of every picture: (batch, cells), about 1 for most.

    The reachability of a neighbour is the cell's own distance to its last neighbour, as in the
    published code, so that the density is one over that distance.
    """
    count = min(neighbours, cells.shape[1] - 1)
    # Centred first: the distances come from products, which cancel badly far from the origin.
    centred = cells.float() - cells.float().mean(dim=1, keepdim=True)
    squared = centred.square().sum(dim=-1)
    distances = squared[:, :, None] + squared[:, None, :] - 2 * centred @ centred.transpose(1, 2)
    distances = distances.clamp_min_(0)
    distances.diagonal(dim1=1, dim2=2).fill_(torch.inf)  # a cell is no neighbour of its own
    nearest = distances.topk(count, dim=-1, largest=False)
    reach = nearest.values[..., -1].clamp_min(torch.finfo(torch.float32).tiny)
    density = reach.reciprocal()
    around = density[:, None, :].expand_as(distances).gather(2, nearest.indices).mean(dim=-1)
    return around * reach


def without_odd_cells(cells: Tensor, odd: Tensor, grid: Size) -> Tensor:
    """Each odd cell becomes the mean of those of its eight neighbours that are not odd."""
    batch, _, width = cells.shape
    sound = (~odd).to(cells.dtype).reshape(batch, 1, grid.height, grid.width)
    maps = cells.transpose(1, 2).reshape(batch, width, grid.height, grid.width)
    # An odd cell counts nothing itself, so the sum over 3 x 3 is the one over its neighbours.
    total, count = (_summed_around(values) for values in (maps * sound, sound))
    means = (total / count.clamp_min(1)).flatten(2).transpose(1, 2)
    replaced = odd & (count.flatten(1) > 0)
    return torch.where(replaced[..., None], means, cells)


def _summed_around(maps: Tensor) -> Tensor:
    return functional.avg_pool2d(maps, 3, stride=1, padding=1, divisor_override=1)


def _walked(blocks: list[AttentionBlock], tokens: Tensor, depths: Depths) -> _Depth:
    """Run all blocks but the last and keep what the depths name."""
    outputs: dict[int, Tensor] = {}
    total: Tensor | None = None
    for depth, block in enumerate(blocks):
        tokens = block(tokens)
        if depth in (depths.likeness, depths.smoothing):
            outputs[depth] = tokens
        if depths.first <= depth <= depths.last:
            total = tokens if total is None else total + tokens
    if total is None:
        raise ValueError(f"no block output among depths {depths.first} to {depths.last}")
    return _Depth(outputs[depths.likeness], outputs[depths.smoothing], total, tokens)


def _attended(block: AttentionBlock, tokens: Tensor, cells: Tensor, weights: Tensor) -> Tensor:
    """Half by the likeness of features, half by keys; cells only, no class token among them."""
    prefix = tokens.shape[1] - cells.shape[1]
    whole = torch.cat([tokens[:, :prefix], cells], dim=1)  # blocks with rotary positions need it
    keys, values = (part[:, :, prefix:] for part in block.heads(whole, "kv"))
    by_likeness = weights.to(values.dtype)[:, None] @ values
    return block.merge((by_likeness + attention(keys, keys, values)) / 2)


def _averaged(cells: Tensor, cosines: Tensor, least: float) -> Tensor:
    """Each cell as the mean of those like it, by cosine."""
    weights = cosines.masked_fill(cosines < least, 0)
    weights = weights / (weights.sum(dim=-1, keepdim=True) + 1e-6)
    return weights.to(cells.dtype) @ cells
