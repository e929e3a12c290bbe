"""A mask transformer with a text tower of its own: S-Seg (Lai 2025)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ovseg_annotate.backbones.mask_pyramids import (
    PyramidParts,
    TimmPyramid,
    TowerPyramid,
)
from ovseg_annotate.backbones.mask_text import CaptionTower, TextParts
from ovseg_annotate.backbones.tower import Clip, is_transformer
from ovseg_annotate.errors import ModelError
from ovseg_annotate.masks.decoder import MaskDecoder, perceptron
from ovseg_annotate.masks.sizes import MaskSizes

LARGEST_SCALE = 100.0
_FIRST_SCALE = 1 / 0.07


@dataclass(frozen=True, slots=True)
class MaskParts:
    """What the network is made of: on the card of its weights."""

    pyramid: PyramidParts
    sizes: MaskSizes = field(default_factory=MaskSizes)
    text: TextParts = field(default_factory=TextParts)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What a network says of pictures before any words."""

    masks: Tensor  # (layers, pictures, queries, rows, columns) logits, the last layer last
    vectors: Tensor  # (pictures, queries, shared), of any length


class MaskNetwork(nn.Module):
    """Pictures to masks with a vector each, texts to vectors of the same space."""

    def __init__(self, parts: MaskParts, clip: Clip | None) -> None:
        super().__init__()
        sizes = parts.sizes
        self.pyramid = _pyramid(parts.pyramid, clip)
        self.decoder = MaskDecoder(self.pyramid.widths, sizes)
        self.projection = perceptron(sizes.hidden, sizes.hidden, sizes.shared)
        self.text = CaptionTower(parts.text, sizes.shared)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(_FIRST_SCALE)))

    @property
    def scale(self) -> Tensor:
        return self.logit_scale.exp().clamp(max=LARGEST_SCALE)

    def see(self, pictures: Tensor, cells: Tensor | None = None) -> Seen:
        """(pictures, 3, height, width), normalised; `cells` of a frozen tower if known already."""
        decoded = self.decoder(self.pyramid(pictures, cells))
        return Seen(decoded.masks, self.projection(decoded.queries))


def build_mask_network(parts: MaskParts, clip: Clip | None, seed: int) -> MaskNetwork:
    """The network with its first numbers, the same for a seed; the caller's random state stays."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MaskNetwork(parts, clip)


def _pyramid(parts: PyramidParts, clip: Clip | None) -> TowerPyramid | TimmPyramid:
    if parts.timm:
        return TimmPyramid(parts)
    if clip is None or not is_transformer(clip.vision):
        raise ModelError(
            f"a pyramid on the tower {parts.tower} needs a transformer with a class token; choose "
            "one such as ViT-B-16-quickgelu/openai"
        )
    return TowerPyramid(clip.vision, parts.fine)


def tower_pyramid(network: MaskNetwork) -> TowerPyramid | None:
    """The pyramid if a frozen tower stands under it."""
    return network.pyramid if isinstance(network.pyramid, TowerPyramid) else None
