"""Cosines between every cell and every phrase, and the choice of concepts by their peak."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ovseg_annotate.errors import ModelError

REJECTED = -100.0  # the logit of a concept that was not scored: a probability of nothing


def cost_volume(cells: Tensor, text: Tensor) -> Tensor:
    """(windows, width, rows, columns), (windows or 1, concepts, phrases, width) -> cosines.

    They are (windows, phrases, concepts, rows, columns); nothing needs unit length.
    """
    if cells.ndim != 4 or text.ndim != 4 or cells.shape[1] != text.shape[3]:
        raise ModelError(
            f"cells of shape {tuple(cells.shape)} and text of shape {tuple(text.shape)} do not "
            "meet: expected (windows, width, rows, columns) and (windows or 1, concepts, phrases, "
            "width); encode the words with the tower that encodes the windows"
        )
    text = text.expand(len(cells), -1, -1, -1)
    return torch.einsum("bcyx,bnpc->bpnyx", normalize(cells, dim=1), normalize(text, dim=3))


def only_strongest(
    cost: Tensor, text: Tensor, keep: int, refine: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """`refine(cost, text)` for the concepts of each window with the highest peak.

    The others get the logit REJECTED. With `keep` 0, or no more concepts than that, all stay.
    """
    concepts = cost.shape[2]
    if not 0 < keep < concepts:
        return refine(cost, text)
    peaks = cost.amax(dim=(1, 3, 4))  # (windows, concepts)
    chosen = peaks.topk(keep, dim=1).indices.sort(dim=1).values
    text = text.expand(len(cost), -1, -1, -1)
    logits = refine(
        torch.take_along_dim(cost, chosen[:, None, :, None, None], dim=2),
        torch.take_along_dim(text, chosen[:, :, None, None], dim=1),
    )
    rows, columns = logits.shape[2:]
    every = logits.new_full((len(cost), concepts, rows, columns), REJECTED)
    return every.scatter(1, chosen[:, :, None, None].expand_as(logits), logits)
