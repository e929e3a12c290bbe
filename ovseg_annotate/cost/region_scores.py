"""Cosines of whole regions beside those of cells: what is small is seen with what is around it.

A reconstruction of the region-aware alignment of "LoGoSeg" (arXiv 2602.05578): the regions are
those of even grids.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from ovseg_annotate.cost.loss import Truth
from ovseg_annotate.cost.volume import cost_volume
from ovseg_annotate.label_map import UNLABELLED

_TEMPERATURE = 0.07


def region_cosines(cells: Tensor, text: Tensor, grid: int) -> Tensor:
    """(windows, phrases, concepts, grid, grid): cosines of the mean cells of a grid's regions."""
    return cost_volume(functional.adaptive_avg_pool2d(cells, grid), text)


def spread_to(cosines: Tensor, rows: int, columns: int) -> Tensor:
    """The same on a finer grid, bilinear."""
    flat = functional.interpolate(cosines.flatten(0, 1), (rows, columns), mode="bilinear")
    return flat.view(*cosines.shape[:3], rows, columns)


def region_channels(cells: Tensor, text: Tensor, grids: Sequence[int]) -> Tensor:
    """(windows, grids * phrases, concepts, rows, columns): on the grid of the cells."""
    rows, columns = cells.shape[2:]
    return torch.cat(
        [spread_to(region_cosines(cells, text, grid), rows, columns) for grid in grids], dim=1
    )


def region_loss(cells: Tensor, text: Tensor, grids: Sequence[int], truth: Truth) -> Tensor:
    """Cross-entropy of each region's concepts to the shares of its labelled pixels they cover.

    Regions without a labelled pixel teach nothing.
    """
    losses = [_loss_on(region_cosines(cells, text, grid), truth.labels) for grid in grids]
    return torch.stack(losses).mean()


def _loss_on(cosines: Tensor, labels: Tensor) -> Tensor:
    concepts, grid = cosines.shape[2], cosines.shape[3]
    truth = functional.one_hot(labels, concepts + 1).movedim(3, 1).float()
    shares = functional.adaptive_avg_pool2d(truth, grid)  # (windows, 1 + concepts, grid, grid)
    labelled = 1 - shares[:, UNLABELLED]
    told = functional.log_softmax(cosines.mean(dim=1) / _TEMPERATURE, dim=1)
    losses = -(shares[:, 1:] * told).sum(dim=1)
    return losses.sum() / labelled.sum().clamp(min=1)
