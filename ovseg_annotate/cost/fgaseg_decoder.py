"""The local pseudo-mask of FGAseg on its way into the trunk: fused at first, injected twice later.

Formula: "FGAseg" (Li et al. 2025, category information supplementation and category-aware
decoder). Embedded maps are (windows, concepts, rows, columns, width), as in the trunk's layers.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ovseg_annotate.cost.fgaseg_options import FgasegOptions
from ovseg_annotate.cost.local_alignment import LocalAlignment
from ovseg_annotate.cost.options import NORM_GROUP

_EMBEDDING_REACH = 7


class MapFusion(nn.Module):
    """Two maps of one width become one."""

    def __init__(self, width: int, options: FgasegOptions) -> None:
        super().__init__()
        self.layer = nn.Linear(2 * width, width) if options.fusion == "cat" else None
        if self.layer is not None and options.start == "trunk":
            with torch.no_grad():
                self.layer.weight.copy_(torch.eye(width, 2 * width))
                self.layer.bias.zero_()

    def forward(self, values: Tensor, local: Tensor) -> Tensor:
        if self.layer is None:
            return values + local
        fused: Tensor = self.layer(torch.cat([values, local], dim=-1))
        return fused


class LocalEnlarging(nn.Module):
    """The local map with twice the rows and columns; no guide."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        groups = max(out // NORM_GROUP, 1)
        self.enlarge = nn.ConvTranspose2d(width, out, 2, stride=2)
        self.first = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.norm1 = nn.GroupNorm(groups, out)
        self.second = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.norm2 = nn.GroupNorm(groups, out)

    def forward(self, local: Tensor) -> Tensor:
        """Width last, before and after."""
        enlarged = self.enlarge(local.flatten(0, 1).permute(0, 3, 1, 2))
        inner = functional.relu(self.norm1(self.first(enlarged)))
        planes = functional.relu(self.norm2(self.second(inner))).permute(0, 2, 3, 1)
        return planes.reshape(*local.shape[:2], *planes.shape[1:])


class LocalInjection(nn.Module):
    """Makes the decoder aware of the category: a fusion before its first stage, and one after."""

    def __init__(self, options: FgasegOptions) -> None:
        super().__init__()
        hidden, middle = options.sizes.hidden, options.sizes.decoder[0]
        self.before = MapFusion(hidden, options)
        self.enlarging = LocalEnlarging(hidden, middle)
        self.after = MapFusion(middle, options)


class LocalBranch(nn.Module):
    """Everything that is made of the local pseudo-mask."""

    def __init__(self, options: FgasegOptions) -> None:
        super().__init__()
        sizes = options.sizes
        self.alignment = LocalAlignment(
            sizes.shared, options.local_side, softmax=options.local_softmax
        )
        self.embedding = nn.Conv2d(
            sizes.phrases, sizes.hidden, _EMBEDDING_REACH, padding=_EMBEDDING_REACH // 2
        )
        self.fusion = MapFusion(sizes.hidden, options)
        self.injection = LocalInjection(options) if options.injection else None

    def fused(self, embedded: Tensor, maps: Tensor) -> Tensor:
        """The embedded cosines of some concepts with their maps, as `LocalAlignment` gives them."""
        fused: Tensor = self.fusion(embedded, self._embedded(maps))
        return fused

    def injected_before(self, chunk: Tensor, maps: Tensor) -> Tensor:
        """Into refined cells."""
        if self.injection is None:
            return chunk
        fused: Tensor = self.injection.before(chunk, self._embedded(maps))
        return fused

    def injected_after(self, planes: Tensor, maps: Tensor) -> Tensor:
        """Into what the decoder's first stage gives: (windows, concepts, width, rows, columns)."""
        if self.injection is None:
            return planes
        local = self.injection.enlarging(self._embedded(maps))
        fused: Tensor = self.injection.after(planes.movedim(2, 4), local)
        return fused.movedim(4, 2)

    def _embedded(self, maps: Tensor) -> Tensor:
        # Embedded anew each time: a convolution of one channel costs less than keeping all maps.
        planes = self.embedding(maps.transpose(1, 2).flatten(0, 1))
        embedded: Tensor = planes.permute(0, 2, 3, 1)
        return embedded.reshape(len(maps), -1, *embedded.shape[1:])
