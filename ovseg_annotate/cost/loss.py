"""What the trunk learns from."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from ovseg_annotate.label_map import UNLABELLED


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What is right about windows.

    Unlabelled pixels are true of no concept, as published; masked, they are not learnt from: what
    nobody labelled may be anything.
    """

    labels: Tensor  # (windows, height, width) int64, concept number + 1; 0: unlabelled
    mask_unlabelled: bool


def pixel_loss(logits: Tensor, truth: Truth) -> Tensor:
    """Mean binary cross-entropy of every pixel and concept against the one true concept.

    `logits` are (windows, concepts, rows, columns) of any grid.
    """
    labels = truth.labels
    logits = functional.interpolate(logits, labels.shape[1:], mode="bilinear")
    labelled = labels != UNLABELLED
    # With a one-hot truth t, the loss of a logit z is softplus(z) - t z.
    own = logits.gather(1, (labels - 1).clamp(min=0)[:, None])[:, 0]
    losses = functional.softplus(logits).sum(dim=1) - own * labelled
    concepts = logits.shape[1]
    if not truth.mask_unlabelled:
        return losses.mean() / concepts
    return (losses * labelled).sum() / (labelled.sum().clamp(min=1) * concepts)
