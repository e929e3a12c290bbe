"""From refined cells to logits on a grid four times as fine, concept by concept."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from ovseg_annotate.cost.options import NORM_GROUP, TrunkOptions, TrunkSizes


class EnlargingStage(nn.Module):
    """Twice the rows and columns; a layer of the tower tells where borders are."""

    def __init__(self, width: int, out: int, guide: int) -> None:
        super().__init__()
        groups = max(out // NORM_GROUP, 1)
        self.enlarge = nn.ConvTranspose2d(width, width - guide, 2, stride=2)
        self.first = nn.Conv2d(width, out, 3, padding=1, bias=False)
        self.norm1 = nn.GroupNorm(groups, out)
        self.second = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.norm2 = nn.GroupNorm(groups, out)

    def forward(self, planes: Tensor, guide: Tensor | None) -> Tensor:
        """(windows, concepts, width, rows, columns), (windows, guide, 2 rows, 2 columns)."""
        enlarged = self.enlarge(planes.flatten(0, 1))
        own = enlarged.shape[1]
        weight = self.first.weight
        joined = functional.conv2d(enlarged, weight[:, :own], padding=1)
        if guide is not None:  # the same for every concept: convolved once
            guided = functional.conv2d(guide, weight[:, own:], padding=1)[:, None]
            joined = (_by_window(joined, planes) + guided).flatten(0, 1)
        inner = functional.relu(self.norm1(joined))
        return _by_window(functional.relu(self.norm2(self.second(inner))), planes)


class Decoder(nn.Module):
    """Two stages and a last convolution."""

    def __init__(self, sizes: TrunkSizes, options: TrunkOptions) -> None:
        super().__init__()
        first, second = sizes.decoder_guides if options.decoder_guidance else (0, 0)
        middle, fine = sizes.decoder
        self.first = EnlargingStage(sizes.hidden, middle, first)
        self.second = EnlargingStage(middle, fine, second)
        self.head = nn.Conv2d(fine, 1, 3, padding=1)

    def forward(self, chunk: Tensor, guides: tuple[Tensor | None, Tensor | None]) -> Tensor:
        """(windows, concepts, rows, columns, width) -> (windows, concepts, 4 rows, 4 columns)."""
        planes = self.second(self.first(chunk.permute(0, 1, 4, 2, 3), guides[0]), guides[1])
        return self.logits(planes)

    def logits(self, planes: Tensor) -> Tensor:
        """(windows, concepts, width, rows, columns) -> (windows, concepts, rows, columns)."""
        return _by_window(self.head(planes.flatten(0, 1))[:, 0], planes)


def _by_window(flat: Tensor, planes: Tensor) -> Tensor:
    """(windows * concepts, ...) -> (windows, concepts, ...)."""
    return flat.reshape(*planes.shape[:2], *flat.shape[1:])
