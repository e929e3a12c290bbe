"""From masks and what each shows to the concepts of each cell."""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from torch import Tensor

# marginal: every mask speaks for its concepts as far as it covers a cell (MaskFormer, section
# 3.4); hard: the strongest mask of a cell speaks alone.
Combine: TypeAlias = Literal["marginal", "hard"]


def concept_sums(shares: Tensor, masks: Tensor) -> Tensor:
    """The published sum over queries of p(concept) times mask.

    `shares` (windows, queries, concepts) that sum to one over concepts, `masks` (windows, queries,
    rows, columns) from 0 to 1 -> (windows, concepts, rows, columns).
    """
    return torch.einsum("wqc,wqyx->wcyx", shares, masks)


def concept_shares(shares: Tensor, masks: Tensor, combine: Combine) -> Tensor:
    """The same as probabilities that sum to one at every cell, whatever covers it."""
    if combine == "hard":
        strongest = masks.argmax(dim=1)  # (windows, rows, columns)
        picked = shares.gather(
            1, strongest.flatten(1)[..., None].expand(-1, -1, shares.shape[-1])
        )  # (windows, cells, concepts)
        return picked.transpose(1, 2).reshape(len(shares), -1, *strongest.shape[1:])
    # A cell that no mask covers still belongs to the one that comes nearest.
    covered = masks.clamp(min=torch.finfo(torch.float32).tiny ** 0.5)
    return concept_sums(shares, covered) / covered.sum(dim=1, keepdim=True)
