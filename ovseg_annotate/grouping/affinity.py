"""From groups and words to scores of cells.

"Uncovering Prototypical Knowledge for Weakly Open-Vocabulary Semantic Segmentation", section 4.1,
which follows GroupViT.
"""

from __future__ import annotations

import torch
from torch import Tensor


def chances(groups: Tensor, whole: Tensor, top: int) -> Tensor:
    """Logits (windows, groups, concepts) and (windows, concepts) -> (windows, groups, concepts).

    Published is the product of two softmaxes: over all concepts, and over those `top` that the
    window as a whole is most like; 0: all. It does not add up to 1. Divided by its sum it is one
    softmax at twice the scale, which this is: no product of two small numbers can become nothing.
    """
    return (2 * strongest_only(groups, whole, top)).softmax(dim=2)


def strongest_only(groups: Tensor, whole: Tensor, top: int) -> Tensor:
    """Concepts that are not among the `top` of the whole window get no chance in any group."""
    if top == 0 or top >= whole.shape[1]:
        return groups
    chosen = torch.zeros_like(whole, dtype=torch.bool)
    chosen.scatter_(1, whole.topk(top, dim=1).indices, value=True)
    return groups.masked_fill(~chosen[:, None], float("-inf"))


def hard_cells(assignment: Tensor) -> Tensor:
    """Shares (windows, groups, rows, columns) -> 1 for a cell's strongest group, 0 elsewhere."""
    strongest = assignment.argmax(dim=1, keepdim=True)
    return torch.zeros_like(assignment).scatter_(1, strongest, 1.0)


def spread(values: Tensor, assignment: Tensor) -> Tensor:
    """What groups score, where they are: (windows, concepts, rows, columns)."""
    return torch.einsum("bgn,bgyx->bnyx", values, assignment)
