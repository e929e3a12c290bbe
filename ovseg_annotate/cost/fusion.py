"""Cells of a CLIP tower mixed with those of a guide that knows no words.

F = w F_clip + (1 - w) F_guide with a learnt w, as the summary of "LMSeg" (2024) gives it. That the
guide's cells are projected and then brought to the length of the CLIP cell they join is ours:
without it w could be undone by the projection, and would say nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from ovseg_annotate.backbones.taps import TappedFeatures
from ovseg_annotate.cost.loss import Truth, pixel_loss
from ovseg_annotate.cost.options import TrunkOptions, TrunkSizes
from ovseg_annotate.cost.trunk import CostTrunk
from ovseg_annotate.cost.volume import cost_volume, only_strongest
from ovseg_annotate.errors import ModelError, OptionError

# What has a weight of its own: all cells together, each channel, or each cell.
WeightShape: TypeAlias = Literal["scalar", "channel", "spatial"]

_LEAST = 1e-6  # length of a guide's cell


@dataclass(frozen=True, slots=True)
class FusionOptions:
    """How the two are mixed."""

    weight: WeightShape = "scalar"
    start: float = 0.9  # the CLIP cells' weight before training
    fixed: float | None = None  # a weight that is not learnt; 1 is CLIP alone
    rescale: bool = True  # the guide's cells get the length of the CLIP cells
    guidance: Literal["clip", "fused"] = "clip"  # the cells that steer the spatial layers

    def __post_init__(self) -> None:
        if not 0 < self.start < 1:
            raise OptionError(f"option 'start': got {self.start:g}; allowed: between 0 and 1")
        if self.fixed is not None and not 0 <= self.fixed <= 1:
            raise OptionError(f"option 'fixed': got {self.fixed:g}; allowed: 0 to 1, or none")


@dataclass(frozen=True, slots=True, eq=False)
class GuidedFeatures:
    """What a tower tells of windows, and what a guide tells of them on the same grid."""

    cells: Tensor  # (windows, shared width, rows, columns)
    taps: Tensor  # (windows, taps, width of the tower, rows, columns)
    whole: Tensor  # (windows, shared width)
    guide: Tensor  # (windows, width of the guide, rows, columns)

    @property
    def tapped(self) -> TappedFeatures:
        return TappedFeatures(self.cells, self.taps, self.whole)


class Fusion(nn.Module):
    """Two maps to one."""

    def __init__(self, shared: int, guide: int, options: FusionOptions) -> None:
        super().__init__()
        self.options = options
        self.project = nn.Conv2d(guide, shared, 1)
        self.mix: nn.Parameter | None = None
        self.mix_cells: nn.Conv2d | None = None
        start = math.log(options.start / (1 - options.start))
        if options.fixed is None and options.weight == "spatial":
            self.mix_cells = nn.Conv2d(2 * shared, 1, 1)
            nn.init.zeros_(self.mix_cells.weight)
            nn.init.constant_(self._bias(self.mix_cells), start)
        elif options.fixed is None:
            channels = shared if options.weight == "channel" else 1
            self.mix = nn.Parameter(torch.full((1, channels, 1, 1), start))

    def forward(self, cells: Tensor, guide: Tensor) -> Tensor:
        """(windows, shared, rows, columns), (windows, guide, rows, columns) -> like the first."""
        if self.options.fixed == 1:
            return cells
        if guide.shape[2:] != cells.shape[2:] or guide.shape[1] != self.project.in_channels:
            raise ModelError(
                f"a guide with cells of shape {tuple(guide.shape[1:])} does not join cells of "
                f"shape {tuple(cells.shape[1:])}; expected width {self.project.in_channels} and "
                "the same grid: use the guide that the head was trained with"
            )
        projected: Tensor = self.project(guide)
        if self.options.rescale:
            length = cells.norm(dim=1, keepdim=True)
            projected = projected * length / (projected.norm(dim=1, keepdim=True) + _LEAST)
        weight = self.weight(cells, projected)
        return weight * cells + (1 - weight) * projected

    def weight(self, cells: Tensor, projected: Tensor) -> Tensor:
        """Of the CLIP cells, 0 to 1; broadcasts over (windows, shared, rows, columns)."""
        if self.mix_cells is not None:
            mixed: Tensor = self.mix_cells(torch.cat([cells, projected], dim=1))
            return mixed.sigmoid()
        if self.mix is not None:
            return torch.sigmoid(self.mix)
        return cells.new_full((1, 1, 1, 1), self.options.fixed or 0.0)

    @staticmethod
    def _bias(layer: nn.Conv2d) -> Tensor:
        if layer.bias is None:
            raise ValueError("a mixing layer without a bias")
        return layer.bias


class FusedTrunk(nn.Module):
    """The trunk on the cosines of fused cells; its taps stay the tower's."""

    def __init__(
        self,
        sizes: TrunkSizes,
        trunk: TrunkOptions,
        guide: int,
        fusion: FusionOptions,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.trunk = CostTrunk(sizes, trunk, seed)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed + 1)
            self.fusion = Fusion(sizes.shared, guide, fusion)

    def forward(self, seen: GuidedFeatures, text: Tensor) -> Tensor:
        """(windows or 1, concepts, phrases, width) -> (windows, concepts, 4 rows, 4 columns)."""
        clip = seen.tapped.in_float32()
        self.trunk.refuse_other_towers(clip, text)
        fused = replace(clip, cells=self.fusion(clip.cells, seen.guide.float()))
        steering = fused if self.fusion.options.guidance == "fused" else clip
        text = text.float()
        cost = cost_volume(fused.cells, text)
        keep = 0 if self.training else self.trunk.options.keep
        refine: Callable[[Tensor, Tensor], Tensor] = partial(self.trunk.refined, steering)
        return only_strongest(cost, text, keep, refine)

    def losses(self, seen: GuidedFeatures, text: Tensor, truth: Truth) -> dict[str, Tensor]:
        return {"pixels": pixel_loss(self(seen, text), truth)}
