"""Non-learnable prototypical regularisation: groups are told apart by the prototypes they match.

"Uncovering Prototypical Knowledge for Weakly Open-Vocabulary Semantic Segmentation", section 3.3.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn.functional import normalize

from ovseg_annotate.errors import OptionError

_LEAST = 1e-6  # added to the range of a row


@dataclass(frozen=True, slots=True)
class NprRule:
    """How groups and prototypes are compared."""

    threshold: float = 0.1  # of a row's range: matches below it teach nothing; 0: all do
    released_quirks: bool = False  # as the released program does: for comparing numbers only

    def __post_init__(self) -> None:
        if not 0 <= self.threshold < 1:
            raise OptionError(f"threshold: got {self.threshold}; allowed: 0 up to, not with, 1")


@torch.no_grad()
def match(centres: Tensor, prototypes: Tensor, rule: NprRule) -> Tensor:
    """(pictures, groups) int64: the prototype of each group, so that all are most alike."""
    cosines = normalize(centres.float(), dim=2) @ normalize(prototypes.float(), dim=2).mT
    # The released program looks for the least alike.
    rows = [
        linear_sum_assignment(each, maximize=not rule.released_quirks)[1]
        for each in cosines.cpu().numpy()
    ]
    return torch.stack([torch.from_numpy(row) for row in rows]).to(centres.device)


def npr_loss(centres: Tensor, prototypes: Tensor, scale: Tensor, rule: NprRule) -> Tensor:
    """Both are (pictures, groups, width) and compared within a picture.

    A picture without any pair that is alike enough adds nothing.
    """
    partners = match(centres, prototypes, rule)
    ordered = prototypes.gather(1, partners[:, :, None].expand_as(prototypes))
    cosines = normalize(centres.float(), dim=2) @ normalize(ordered.float(), dim=2).mT
    if rule.released_quirks:
        kept = [_released_rows(each, rule.threshold) for each in (cosines.mT, cosines)]
    else:
        kept = [kept_rows(each, rule.threshold) for each in (cosines, cosines.mT)]
    sides = zip((cosines, cosines.mT), kept, strict=True)
    return torch.stack([_contrast(scale * each, rows) for each, rows in sides]).sum()


def kept_rows(cosines: Tensor, threshold: float) -> Tensor:
    """(pictures, groups) bool: whose own partner stands high enough within the row."""
    if threshold == 0:
        return torch.ones_like(cosines[:, :, 0], dtype=torch.bool)
    least, most = cosines.amin(dim=2, keepdim=True), cosines.amax(dim=2, keepdim=True)
    shares = (cosines - least) / (most - least + _LEAST)
    return shares.diagonal(dim1=1, dim2=2) > threshold


def _released_rows(cosines: Tensor, threshold: float) -> Tensor:
    """The released program reads the first column instead of the diagonal."""
    least, most = cosines.amin(dim=1, keepdim=True), cosines.amax(dim=1, keepdim=True)
    return ((cosines - least) / (most - least + _LEAST))[:, :, 0] > threshold


def _contrast(logits: Tensor, kept: Tensor) -> Tensor:
    """Mean over the kept rows of -log softmax at the diagonal; nothing where none is kept."""
    losses = logits.logsumexp(dim=2) - logits.diagonal(dim1=1, dim2=2)
    return (losses * kept).sum() / kept.sum().clamp(min=1)
