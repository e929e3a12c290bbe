"""Pseudo-masks: the cells of one picture, grouped by how alike they are.

S-Seg (Lai 2025) groups the tokens of a self-supervised tower by K-Means, picture by picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from ovseg_annotate.errors import OptionError
from ovseg_annotate.geometry import Size

Start: TypeAlias = Literal["spread", "random"]

_BRIGHTNESS = 1.0  # of a colour vector's constant: how far brightness counts beside hue


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """How the cells of a picture become groups."""

    clusters: int = 8  # a picture
    rounds: int = 10  # of Lloyd's algorithm
    start: Start = "spread"  # spread: far from one another, as k-means++; random: any cells
    seed: int = 0

    def __post_init__(self) -> None:
        if self.clusters < 1:
            raise OptionError(f"clusters: got {self.clusters}; it must be at least 1")
        if self.rounds < 0:
            raise OptionError(f"rounds: got {self.rounds}; it must not be negative")


def clusters_of(cells: Tensor, options: ClusterOptions) -> Tensor:
    """(pictures, cells, width) of any length -> (pictures, cells) int64, the number of a group.

    Likeness is the cosine. A group that loses all its cells keeps its centre, so a picture may
    have fewer groups than asked for. Every picture draws the same numbers: what becomes of it does
    not depend on the pictures beside it.
    """
    count = cells.shape[1]
    if count < options.clusters:
        raise OptionError(
            f"{options.clusters} clusters of {count} cells: a picture needs as many cells as "
            "clusters; ask for fewer, or enlarge the pictures"
        )
    unit = functional.normalize(cells.float(), dim=-1)
    generator = torch.Generator().manual_seed(options.seed)
    start = _spread if options.start == "spread" else _at_random
    centres = start(unit, options.clusters, generator)
    for _ in range(options.rounds):
        centres = _moved(unit, centres)
    return _nearest(unit, centres)


def colour_cells(pictures: Tensor, grid: Size) -> Tensor:
    """(pictures, 3, height, width) uint8 -> (pictures, cells, 4): mean colours, as directions.

    The weakest pseudo-masks there are, for comparison. A constant beside the colour makes
    brightness an angle too.
    """
    means = functional.adaptive_avg_pool2d(
        pictures.float() / 127.5 - 1.0, (grid.height, grid.width)
    )
    colours = means.flatten(2).transpose(1, 2)
    return functional.pad(colours, (0, 1), value=_BRIGHTNESS)


def segment_masks(labels: Tensor, segments: int) -> Tensor:
    """(pictures, rows, columns) of segment numbers -> (pictures, segments, rows, columns) 0 or 1.

    Numbers outside 0 .. segments - 1 belong to no segment.
    """
    numbers = torch.arange(segments, device=labels.device).view(1, -1, 1, 1)
    return (labels[:, None] == numbers).float()


def _nearest(unit: Tensor, centres: Tensor) -> Tensor:
    return (unit @ centres.transpose(1, 2)).argmax(dim=-1)


def _moved(unit: Tensor, centres: Tensor) -> Tensor:
    """Each centre to the mean direction of its cells; one without cells stays."""
    own = functional.one_hot(_nearest(unit, centres), centres.shape[1]).to(unit.dtype)
    sums = own.transpose(1, 2) @ unit  # (pictures, clusters, width)
    occupied = own.sum(dim=1)[..., None] > 0
    return torch.where(occupied, functional.normalize(sums, dim=-1), centres)


def _at_random(unit: Tensor, clusters: int, generator: torch.Generator) -> Tensor:
    chosen = torch.randperm(unit.shape[1], generator=generator)[:clusters]
    return unit[:, chosen.to(unit.device)]


def _spread(unit: Tensor, clusters: int, generator: torch.Generator) -> Tensor:
    """k-means++ (Arthur and Vassilvitskii 2007): likelier the farther from all centres so far.

    The squared distance of unit vectors is 2 - 2 cos.
    """
    draws = torch.rand(clusters, generator=generator).tolist()
    pictures, cells, _ = unit.shape
    rows = torch.arange(pictures, device=unit.device)
    centres = [unit[:, int(draws[0] * cells)]]
    nearest = unit.new_full((pictures, cells), -1.0)  # cosine with the nearest centre so far
    for draw in draws[1:]:
        nearest = nearest.maximum((unit @ centres[-1][..., None])[..., 0])
        shares = (1.0 - nearest).clamp(min=0).double().cumsum(dim=1)
        wanted = draw * shares[:, -1:]
        chosen = torch.searchsorted(shares, wanted, right=True)[:, 0].clamp(max=cells - 1)
        centres.append(unit[rows, chosen])
    return torch.stack(centres, dim=1)
