"""The fast way of FGAseg: concepts that are nowhere strong are left behind on the way.

Formula: the early rejection of "SED" (Xie et al. 2024, section 3.3), which FGAseg takes over.
What is left behind gets a logit, as rejection in the trunk does, and so a probability of nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ovseg_annotate.cost.options import TrunkSizes

COSINES, CELLS, DECODED = range(3)  # the places of the heads: fused, injected before, and after


class AuxiliaryHeads(nn.Module):
    """Rough logits at three places of the way; each learns from a loss of its own."""

    def __init__(self, sizes: TrunkSizes) -> None:
        super().__init__()
        widths = (sizes.hidden, sizes.hidden, sizes.decoder[0])
        self.heads = nn.ModuleList(nn.Conv2d(width, 1, 3, padding=1) for width in widths)

    def forward(self, planes: Tensor, place: int) -> Tensor:
        """(windows, concepts, width, rows, columns) -> (windows, concepts, rows, columns)."""
        logits: Tensor = self.heads[place](planes.flatten(0, 1))
        return logits.reshape(*planes.shape[:2], *planes.shape[3:])


def strong_somewhere(logits: Tensor, top: int) -> Tensor:
    """The concepts, in order, that are among the `top` strongest of any cell of one window.

    `logits` are (1, concepts, rows, columns).
    """
    concepts = logits.shape[1]
    strongest = logits[0].flatten(1).topk(min(top, concepts), dim=0).indices
    kept: Tensor = torch.unique(strongest)
    return kept
