"""The head of LoGoSeg: the trunk with a prior for existence, regions and a local stream.

A reconstruction (arXiv 2602.05578 tells what its parts are for). Each part begins as nothing: the
same weights without it give the same answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from ovseg_annotate.backbones.taps import TappedFeatures
from ovseg_annotate.cost.dual_stream import DualStream
from ovseg_annotate.cost.existence import ExistenceMode, ExistenceOptions, ExistencePrior
from ovseg_annotate.cost.guidance import Guides
from ovseg_annotate.cost.loss import Truth, pixel_loss
from ovseg_annotate.cost.options import TrunkOptions, TrunkSizes
from ovseg_annotate.cost.region_scores import region_channels, region_loss
from ovseg_annotate.cost.trunk import EMBEDDING_REACH, CostTrunk
from ovseg_annotate.errors import OptionError


@dataclass(frozen=True, slots=True)
class LoGoSegOptions:
    """The three parts and what is learnt for them."""

    existence: ExistenceOptions = field(default_factory=ExistenceOptions)
    region_grids: tuple[int, ...] = (3, 6)  # regions a side; (): no regions
    dual: bool = True  # the local stream
    existence_weight: float = 0.1  # of its loss
    region_weight: float = 0.1

    def __post_init__(self) -> None:
        if any(grid < 1 for grid in self.region_grids):
            raise OptionError(f"region_grids: got {self.region_grids}; allowed: 1 or more each")


class LoGoSegHead(CostTrunk):
    """Features and text to logits."""

    def __init__(
        self,
        sizes: TrunkSizes,
        trunk: TrunkOptions,
        options: LoGoSegOptions,
        neutral: Tensor,
        seed: int = 0,
    ) -> None:
        """`neutral` (phrases, shared width): the vectors of the neutral phrases."""
        super().__init__(sizes, trunk, seed)
        self.parts = options
        off = options.existence.mode == "off"
        self.existence = None if off else ExistencePrior(neutral, options.existence)
        self.region_embedding: nn.Conv2d | None = None
        if options.region_grids:
            channels = len(options.region_grids) * sizes.phrases
            self.region_embedding = nn.Conv2d(
                channels, sizes.hidden, EMBEDDING_REACH, padding=EMBEDDING_REACH // 2, bias=False
            )
            nn.init.zeros_(self.region_embedding.weight)
        self.dual = nn.ModuleList()
        if options.dual:
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(seed)
                self.dual.extend(DualStream(sizes.hidden) for _ in self.layers)

    def run_existence(self, mode: ExistenceMode) -> None:
        """Use the prior otherwise than it was trained."""
        if self.existence is not None:
            self.existence.options = replace(self.existence.options, mode=mode)
        elif mode != "off":
            raise OptionError(
                f"existence: got {mode!r}; these weights were trained without the prior, so only "
                "off is possible"
            )

    def forward(self, seen: TappedFeatures, text: Tensor) -> Tensor:
        if self.existence is None:
            return super().forward(seen, text)
        self.refuse_other_towers(seen, text)
        seen, text = seen.in_float32(), text.float()
        likely = self.existence.logits(seen, text)
        cost = self.existence.weighed(self.cosines(seen, text), likely)
        return self.existence.without_unlikely(self.scored(seen, cost, text), likely)

    def aggregated(self, number: int, chunks: Iterable[Tensor], guides: Guides) -> Iterable[Tensor]:
        if not self.dual:
            return super().aggregated(number, chunks, guides)
        before = list(chunks)
        after = super().aggregated(number, before, guides)
        return map(self.dual[number], before, after)

    def planes(self, seen: TappedFeatures, cost: Tensor, text: Tensor) -> Tensor:
        """Cosines of cells and then of regions, as channels."""
        if self.region_embedding is None:
            return cost
        regions = region_channels(seen.cells, text, self.parts.region_grids)
        return torch.cat([cost, regions], dim=1)

    def embedding_of(self, planes: Tensor) -> Tensor:
        """(windows * concepts, channels, rows, columns) -> (..., hidden, rows, columns)."""
        embedded = super().embedding_of(planes[:, : self.sizes.phrases])
        if self.region_embedding is None:
            return embedded
        regions: Tensor = self.region_embedding(planes[:, self.sizes.phrases :])
        return embedded + regions

    def losses(self, seen: TappedFeatures, text: Tensor, truth: Truth) -> dict[str, Tensor]:
        losses = {"pixels": pixel_loss(self(seen, text), truth)}
        seen, text, parts = seen.in_float32(), text.float(), self.parts
        if self.existence is not None and parts.existence_weight:
            likely = self.existence.logits(seen, text)
            there = functional.one_hot(truth.labels.flatten(1), likely.shape[1] + 1).amax(dim=1)
            loss = functional.binary_cross_entropy_with_logits(likely, there[:, 1:].float())
            losses["existence"] = parts.existence_weight * loss
        if self.region_embedding is not None and parts.region_weight:
            loss = region_loss(seen.cells, text, parts.region_grids, truth)
            losses["regions"] = parts.region_weight * loss
        return losses
