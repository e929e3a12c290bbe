"""What the trunk learns from."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from ovseg_annotate.label_map import UNLABELLED


def pixel_loss(logits: Tensor, labels: Tensor, *, mask_unlabelled: bool) -> Tensor:
    """Mean binary cross-entropy of every pixel and concept against the one true concept.

    `logits` (windows, concepts, rows, columns) of any grid, `labels` (windows, height, width)
    with concept number + 1. Unlabelled pixels are true of no concept, as published; masked, they
    are not learnt from: what nobody labelled may be anything.
    """
    logits = functional.interpolate(logits, labels.shape[1:], mode="bilinear")
    labelled = labels != UNLABELLED
    # With a one-hot truth t, the loss of a logit z is softplus(z) - t z.
    own = logits.gather(1, (labels - 1).clamp(min=0)[:, None])[:, 0]
    losses = functional.softplus(logits).sum(dim=1) - own * labelled
    concepts = logits.shape[1]
    if not mask_unlabelled:
        return losses.mean() / concepts
    return (losses * labelled).sum() / (labelled.sum().clamp(min=1) * concepts)
