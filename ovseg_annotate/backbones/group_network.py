"""PGSeg as one module: pictures in groups, captions in words, and the space that both share."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ovseg_annotate.backbones.group_text import CaptionReader
from ovseg_annotate.backbones.group_vit import GroupSizes, GroupVit
from ovseg_annotate.grouping.layers import Projection
from ovseg_annotate.grouping.prototypes import PrototypeMemory

PIXEL_MEAN = (0.485, 0.456, 0.406)  # ImageNet's, as published
PIXEL_STD = (0.229, 0.224, 0.225)
LARGEST_SCALE = 100.0
_FIRST_SCALE = 1 / 0.07


class PgsegNetwork(nn.Module):
    """All weights of the system; the parts are used one by one."""

    def __init__(self, sizes: GroupSizes, skipped: float = 0.0) -> None:
        super().__init__()
        self.sizes = sizes
        self.image = GroupVit(sizes, skipped)
        self.text = CaptionReader(sizes)
        self.image_projection = Projection(sizes.width, sizes.hidden, sizes.shared)
        self.text_projection = Projection(sizes.text_width, sizes.hidden, sizes.shared)
        # Only for training: groups meet prototypes of words in the words' own space.
        self.words_of_groups = Projection(sizes.width, sizes.hidden, sizes.text_width)
        self.word_memory = PrototypeMemory(sizes.groups[1], sizes.text_width)
        self.log_scale = nn.Parameter(torch.tensor(math.log(_FIRST_SCALE)))

    @property
    def scale(self) -> Tensor:
        """Of the cosines of pictures and texts."""
        return self.log_scale.exp().clamp(max=LARGEST_SCALE)

    @property
    def npr_scale(self) -> Tensor:
        """Of the cosines of groups and prototypes."""
        return self.image.npr_scale.exp().clamp(max=LARGEST_SCALE)
