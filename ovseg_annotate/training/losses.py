"""Losses that tie dense tokens to phrases.

Image-level contrast alone teaches a small network next to nothing about places; here every patch
has to tell the phrase of its own region from phrases that are false of that region.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class PatchRows:
    """Which patch shows which region: one row for each pair that overlaps."""

    patch: Tensor  # (rows,) int64: picture * patches + patch
    region: Tensor  # (rows,) int64: into the regions of the whole batch
    weight: Tensor  # (rows,) float32: covered share of the patch / sqrt(area of the region)

    def on(self, device: torch.device) -> PatchRows:
        return PatchRows(self.patch.to(device), self.region.to(device), self.weight.to(device))


@dataclass(frozen=True, slots=True, eq=False)
class RegionStatements:
    """What is said of each region: one true phrase, and those phrases that are false of it.

    Phrases that are true without being the own one take no part: they are neither.
    """

    own: Tensor  # (regions,) int64 into the phrases; -1: nothing is said of this region
    false: Tensor  # (regions, phrases) bool

    def on(self, device: torch.device) -> RegionStatements:
        return RegionStatements(self.own.to(device), self.false.to(device))


def region_phrase_loss(similarity: Tensor, rows: PatchRows, statements: RegionStatements) -> Tensor:
    """Weighted mean over patches of -log softmax of the own phrase among own and false ones.

    `similarity` is the scaled cosine `(pictures * patches, phrases)`.
    """
    own = statements.own[rows.region]
    said = own >= 0
    if not bool(said.any()):
        return similarity.sum() * 0.0
    region, own, weight = rows.region[said], own[said], rows.weight[said]
    taking_part = statements.false.clone()
    named = statements.own >= 0
    taking_part[named.nonzero()[:, 0], statements.own[named]] = True
    logits = similarity[rows.patch[said]].masked_fill(~taking_part[region], float("-inf"))
    losses = F.cross_entropy(logits, own, reduction="none")
    return (losses * weight).sum() / weight.sum()


def caption_contrast(pictures: Tensor, captions: Tensor, scale: Tensor) -> Tensor:
    """The symmetric contrast of whole pictures and their captions; row k belongs to row k."""
    similarity = scale * pictures @ captions.T
    target = torch.arange(len(pictures), device=pictures.device)
    return 0.5 * (F.cross_entropy(similarity, target) + F.cross_entropy(similarity.T, target))
