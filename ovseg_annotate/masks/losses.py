"""Dice and focal losses of masks, and the pairing of queries with segments that they ask for.

The numbers are those of MaskFormer (Cheng et al. 2021, section 3.2 and appendix A).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional

from ovseg_annotate.errors import ModelError, OptionError
from ovseg_annotate.masks.clusters import segment_masks

_ALPHA = 0.25  # share of the pixels inside a mask; those outside count 1 - alpha


@dataclass(frozen=True, slots=True)
class MaskWeights:
    """How much each part of the mask loss counts, in the loss and in the pairing."""

    focal: float = 20.0
    dice: float = 1.0

    def __post_init__(self) -> None:
        if min(self.focal, self.dice) < 0 or self.focal + self.dice == 0:
            raise OptionError(
                f"weights of focal {self.focal:g} and dice {self.dice:g}; allowed: 0 or more, not "
                "both 0"
            )


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Which query stands for which segment: three int64 tensors (pairs,)."""

    picture: Tensor
    query: Tensor
    segment: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class MaskLosses:
    """Unweighted, each the sum over pairs by the number of segments."""

    focal: Tensor
    dice: Tensor


def focal_of(logits: Tensor, masks: Tensor) -> Tensor:
    """(masks, pixels) each -> (masks,): the sigmoid focal loss, mean over pixels, gamma 2."""
    entropy = functional.binary_cross_entropy_with_logits(logits, masks, reduction="none")
    inside = torch.sigmoid(logits)
    right = inside * masks + (1 - inside) * (1 - masks)
    balance = _ALPHA * masks + (1 - _ALPHA) * (1 - masks)
    return (balance * (1 - right).square() * entropy).mean(dim=1)


def dice_of(logits: Tensor, masks: Tensor) -> Tensor:
    """(masks, pixels) each -> (masks,): one less the overlap, smoothed by one pixel."""
    inside = torch.sigmoid(logits)
    overlap = (inside * masks).sum(dim=1)
    return 1 - (2 * overlap + 1) / (inside.sum(dim=1) + masks.sum(dim=1) + 1)


def focal_costs(logits: Tensor, masks: Tensor) -> Tensor:
    """(..., queries, pixels) x (..., segments, pixels) -> (..., queries, segments)."""
    inside = torch.sigmoid(logits)
    if_inside = _ALPHA * (1 - inside).square() * functional.softplus(-logits)
    if_outside = (1 - _ALPHA) * inside.square() * functional.softplus(logits)
    turned = masks.transpose(-2, -1)
    return (if_inside @ turned + if_outside @ (1 - turned)) / logits.shape[-1]


def dice_costs(logits: Tensor, masks: Tensor) -> Tensor:
    """(..., queries, pixels) x (..., segments, pixels) -> (..., queries, segments)."""
    inside = torch.sigmoid(logits)
    overlap = inside @ masks.transpose(-2, -1)
    areas = inside.sum(dim=-1)[..., None] + masks.sum(dim=-1)[..., None, :]
    return 1 - (2 * overlap + 1) / (areas + 1)


@torch.no_grad()
def paired(
    logits: Tensor, labels: Tensor, segments: int, weights: MaskWeights | None = None
) -> Pairs:
    """The cheapest pairs of queries and segments, by the Hungarian method.

    `logits` (pictures, queries, rows, columns), `labels` (pictures, height, width) of segment
    numbers. Nothing but the masks counts: there is no classifier. Segments that a picture does
    not have take no part, and neither do numbers outside 0 .. segments - 1.
    """
    weights = weights or MaskWeights()
    masks = segment_masks(_resized(labels, logits), segments).flatten(2)
    flat = logits.float().flatten(2)
    costs = weights.focal * focal_costs(flat, masks) + weights.dice * dice_costs(flat, masks)
    if not bool(costs.isfinite().all()):
        raise ModelError(
            "masks that are no finite numbers cannot be paired with segments; lower the learning "
            "rate, or use precision = 'fp32'"
        )
    there = segment_masks(labels, segments).flatten(2).any(dim=-1).cpu()
    found: list[tuple[int, int, int]] = []
    for picture, (own, present) in enumerate(zip(costs.cpu(), there, strict=True)):
        numbers = present.nonzero()[:, 0]
        queries, places = linear_sum_assignment(own[:, numbers].numpy())
        chosen = numbers[torch.from_numpy(places)].tolist()
        pairs = sorted(zip(queries.tolist(), chosen, strict=True))
        found += [(picture, query, segment) for query, segment in pairs]
    rows = torch.tensor(found, dtype=torch.int64, device=logits.device).view(-1, 3)
    return Pairs(rows[:, 0], rows[:, 1], rows[:, 2])


def mask_losses(logits: Tensor, labels: Tensor, segments: int, pairs: Pairs) -> MaskLosses:
    """Compare paired masks with their segments, at the size of the labels.

    A query without a segment is not punished for what it shows: its gradient is zero.
    """
    chosen = logits[pairs.picture, pairs.query].float()[:, None]  # (pairs, 1, rows, columns)
    if logits.shape[-2:] != labels.shape[-2:]:
        chosen = functional.interpolate(chosen, labels.shape[-2:], mode="bilinear")
    masks = segment_masks(labels, segments)
    wanted = masks[pairs.picture, pairs.segment]
    # A picture may have more segments than queries: those without one count all the same.
    count = masks.flatten(2).any(dim=-1).sum().clamp(min=1)
    flat, wanted = chosen.flatten(1), wanted.flatten(1)
    return MaskLosses(
        focal=focal_of(flat, wanted).sum() / count, dice=dice_of(flat, wanted).sum() / count
    )


def _resized(labels: Tensor, logits: Tensor) -> Tensor:
    """Segment numbers on the grid of the masks, by the nearest pixel."""
    if labels.shape[-2:] == logits.shape[-2:]:
        return labels
    small = functional.interpolate(labels[:, None].float(), logits.shape[-2:], mode="nearest")
    return small[:, 0].long()
