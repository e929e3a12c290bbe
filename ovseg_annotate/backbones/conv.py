"""ConvNeXt towers: dense features as they are, on a grid of 32 px.

The way of "Convolutions Die Hard: Open-Vocabulary Segmentation with Single Frozen Convolutional
CLIP" (Yu et al., 2023), section 3.2: the trunk's last map, normalised and projected cell by cell
as its average would be.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ovseg_annotate.backbones.positions import grid_of
from ovseg_annotate.backbones.tower import TowerCard
from ovseg_annotate.geometry import Size


class ConvNextVision:
    """A ConvTower over open_clip's wrapper of timm's ConvNeXt."""

    def __init__(self, visual: Any, card: TowerCard) -> None:
        self.card = card
        self._visual = visual

    def dense(self, images: Tensor) -> tuple[Tensor, Size]:
        grid = grid_of(images, self.card.stride)
        trunk = self._visual.trunk
        cells = trunk.head.norm(trunk.forward_features(images))  # (batch, width, rows, columns)
        projected: Tensor = self._visual.head(cells.flatten(2).transpose(1, 2))
        return projected, grid
