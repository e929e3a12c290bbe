"""PGSeg's training: pictures are told from others by their captions, groups by their prototypes.

"Uncovering Prototypical Knowledge for Weakly Open-Vocabulary Semantic Segmentation", section 3.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from ovseg_annotate.backbones.group_network import PIXEL_MEAN, PIXEL_STD, PgsegNetwork
from ovseg_annotate.backbones.group_text import ReadTexts
from ovseg_annotate.backbones.group_vit import GroupedPictures
from ovseg_annotate.backbones.positions import grid_of
from ovseg_annotate.errors import OptionError
from ovseg_annotate.grouping.npr import NprRule, npr_loss
from ovseg_annotate.training.distributed import Peers
from ovseg_annotate.training.loop import ALONE
from ovseg_annotate.training.pgseg_batches import PairBatch

_STEM_AT_ONCE = 32  # pictures
_KEPT_DTYPE = torch.float16


@dataclass(frozen=True, slots=True)
class Stages:
    """Two stages in one training: first captions alone, then prototypes too."""

    groupvit: int = 0  # steps of the first; 0: prototypes from the beginning
    cells: float = 0.1  # weight of prototypes of cells, at the first grouping
    segments: float = 0.1  # of prototypes of segments, at the second
    words: float = 0.01  # of prototypes of words, at the second
    prototypes: bool = True  # False: the second stage goes on as the first
    threshold: float = 0.1  # matches that are less alike teach nothing; 0: all do
    fewest_words: int = 8  # tokens of a caption whose words have prototypes

    def __post_init__(self) -> None:
        for name in ("groupvit", "cells", "segments", "words", "fewest_words"):
            if getattr(self, name) < 0:
                raise OptionError(f"{name}: got {getattr(self, name)}; it must not be negative")
        NprRule(self.threshold)


class PgsegTraining:
    """The Trainable."""

    def __init__(self, network: PgsegNetwork, stages: Stages, peers: Peers = ALONE) -> None:
        self._network = network
        self._stages = stages
        self._rule = NprRule(stages.threshold)
        stem = network.image.stem
        frozen = stem is not None and not any(one.requires_grad for one in stem.parameters())
        self._stem_is_frozen = frozen
        self._kept: dict[int, Tensor] = {}  # cells of a frozen stem, by picture
        self.prototypes = False  # took part in the last batch
        self._peers = peers
        self._device = next(network.parameters()).device
        self._mean = torch.tensor(PIXEL_MEAN, device=self._device).view(3, 1, 1)
        self._std = torch.tensor(PIXEL_STD, device=self._device).view(3, 1, 1)

    @property
    def module(self) -> nn.Module:
        return self._network

    @property
    def network(self) -> PgsegNetwork:
        return self._network

    def normalised(self, pictures: Tensor) -> Tensor:
        """uint8 pictures as the network wants them."""
        return (pictures.to(self._device) / 255.0 - self._mean) / self._std

    def losses(self, batch: PairBatch) -> Mapping[str, Tensor]:
        network = self._network
        self.prototypes = prototypes = batch.prototypes and self._stages.prototypes
        grid = grid_of(batch.pictures, network.sizes.patch)
        seen = network.image.grouped(self._cells(batch), grid, prototypes=prototypes)
        read = network.text(batch.captions.to(self._device))
        pictures = network.image_projection(seen.pooled)
        captions = network.text_projection(read.sentences)
        mapped = network.words_of_groups(seen.steps[1].centres) if prototypes else None
        # In bfloat16 a scaled cosine of 50 would be right to a quarter only.
        with torch.autocast(self._device.type, enabled=False):
            losses = {"captions": self._contrast(pictures, captions)}
            if mapped is not None:
                losses |= self._regularised(seen, read, mapped)
        return losses

    def _cells(self, batch: PairBatch) -> Tensor:
        """Those of a frozen stem are kept for pictures that come again."""
        image = self._network.image
        if not self._stem_is_frozen or not batch.known_by:
            return image.cells(self.normalised(batch.pictures))
        missing = [row for row, key in enumerate(batch.known_by) if key not in self._kept]
        for start in range(0, len(missing), _STEM_AT_ONCE):
            rows = missing[start : start + _STEM_AT_ONCE]
            with torch.no_grad():
                cells = image.cells(self.normalised(batch.pictures[rows])).to(_KEPT_DTYPE)
            self._kept |= {batch.known_by[row]: each for row, each in zip(rows, cells, strict=True)}
        return torch.stack([self._kept[key].float() for key in batch.known_by])

    def _contrast(self, pictures: Tensor, captions: Tensor) -> Tensor:
        """Every picture against all captions and the other way round, over all processes."""
        pictures = gathered(normalize(pictures.float(), dim=1), self._peers)
        captions = gathered(normalize(captions.float(), dim=1), self._peers)
        logits = self._network.scale * pictures @ captions.T
        target = torch.arange(len(logits), device=logits.device)
        return 0.5 * (cross_entropy(logits, target) + cross_entropy(logits.T, target))

    def _regularised(
        self, seen: GroupedPictures, read: ReadTexts, mapped: Tensor
    ) -> dict[str, Tensor]:
        stages, scale = self._stages, self._network.npr_scale
        losses = {}
        weights = (("cells", stages.cells), ("segments", stages.segments))
        for (name, weight), step, found in zip(weights, seen.steps, seen.prototypes, strict=True):
            if weight and found is not None:
                losses[name] = weight * npr_loss(step.centres, found, scale, self._rule)
        long = read.valid.sum(dim=1) >= stages.fewest_words
        if stages.words and bool(long.any()):
            # The memory of words is kept by the captions that are long enough, as the loss is.
            found = self._network.word_memory(read.words[long], read.valid[long]).prototypes
            losses["words"] = stages.words * npr_loss(mapped[long], found, scale, self._rule)
        elif stages.words:
            losses["words"] = mapped.sum() * 0.0
        return losses


def gathered(own: Tensor, peers: Peers) -> Tensor:
    """Rows of all processes. Gradients reach the own ones only, times the number of processes.

    Each process computes the same loss; the loop averages what each finds for its own rows.
    """
    if peers.count == 1:
        return own
    parts = [torch.empty_like(own) for _ in range(peers.count)]
    dist.all_gather(parts, own.detach())
    parts[peers.rank] = own + (peers.count - 1) * (own - own.detach())
    return torch.cat(parts)
