"""What tower and text tell the head beside the cosines."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from ovseg_annotate.backbones.taps import TappedFeatures
from ovseg_annotate.cost.options import TrunkOptions, TrunkSizes


@dataclass(frozen=True, slots=True, eq=False)
class Guides:
    """Projected for one head; None where the head has no such part."""

    visual: Tensor | None  # (windows, rows, columns, width)
    text: Tensor | None  # (windows or 1, concepts, width)
    decoder: tuple[Tensor | None, Tensor | None]  # (windows, width, 2 and 4 x rows, columns)


class Guidance(nn.Module):
    """From features and text to guides."""

    def __init__(self, sizes: TrunkSizes, options: TrunkOptions) -> None:
        super().__init__()
        spatial = options.layers > 0 and options.spatial
        mixing = options.layers > 0 and options.mixing
        self.visual = _convolved(sizes.shared, sizes.visual_guide) if spatial else None
        self.text = (
            nn.Sequential(nn.Linear(sizes.shared, sizes.text_guide), nn.ReLU()) if mixing else None
        )
        self.enlarge, self.decoder = nn.ModuleList(), nn.ModuleList()
        if options.decoder_guidance:
            for factor, tap, guide in zip((2, 4), sizes.taps, sizes.decoder_guides, strict=True):
                self.enlarge.append(nn.ConvTranspose2d(sizes.tower, tap, factor, stride=factor))
                self.decoder.append(_convolved(tap, guide))

    def forward(self, seen: TappedFeatures, text: Tensor) -> Guides:
        """`text` is (windows or 1, concepts, phrases, width); nothing needs unit length."""
        visual = words = None
        if self.visual is not None:
            visual = self.visual(seen.cells).permute(0, 2, 3, 1)
        if self.text is not None:
            mean = functional.normalize(text, dim=3).mean(dim=2)
            words = self.text(functional.normalize(mean, dim=2))
        return Guides(visual, words, self._decoder_guides(seen.taps))

    def _decoder_guides(self, taps: Tensor) -> tuple[Tensor | None, Tensor | None]:
        if not len(self.decoder):
            return None, None
        first, second = (
            project(enlarge(tap))
            for project, enlarge, tap in zip(
                self.decoder, self.enlarge, taps.unbind(dim=1), strict=True
            )
        )
        return first, second


def guided(layer: nn.Linear, values: Tensor, guide: Tensor) -> Tensor:
    """The layer on `values` and `guide` side by side, where the guide is the same along an axis.

    Its part of the product is computed once instead of once for every value.
    """
    width = values.shape[-1]
    own = functional.linear(values, layer.weight[:, :width])
    return own + functional.linear(guide, layer.weight[:, width:], layer.bias)


def _convolved(width: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(width, out, 3, padding=1), nn.ReLU())
