"""FGAseg: the trunk with words that see the window and with a second, local pseudo-mask.

Formulas: "FGAseg: Fine-Grained Pixel-Text Alignment for Open-Vocabulary Semantic Segmentation"
(Li et al. 2025, arXiv 2501.00877). As it starts by default, it is the trunk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from ovseg_annotate.backbones.taps import TappedFeatures
from ovseg_annotate.cost.align_head import AlignHead, align_loss
from ovseg_annotate.cost.fgaseg_decoder import LocalBranch
from ovseg_annotate.cost.fgaseg_fast import (
    CELLS,
    COSINES,
    DECODED,
    AuxiliaryHeads,
    strong_somewhere,
)
from ovseg_annotate.cost.fgaseg_options import FgasegOptions
from ovseg_annotate.cost.guidance import Guides
from ovseg_annotate.cost.loss import Truth, pixel_loss
from ovseg_annotate.cost.pixel_text import PixelTextTransformer
from ovseg_annotate.cost.trunk import CostTrunk
from ovseg_annotate.cost.volume import REJECTED, cost_volume, only_strongest


@dataclass(frozen=True, slots=True, eq=False)
class PseudoMasks:
    """Where concepts may be, before anything is refined."""

    cosines: Tensor  # (windows, 1, concepts, rows, columns)
    local: Tensor | None  # the same
    guides: Guides

    def of_window(self, number: int) -> PseudoMasks:
        own = slice(number, number + 1)
        first, second = self.guides.decoder
        guides = Guides(
            visual=_some(self.guides.visual, own),
            text=_some(self.guides.text, own),
            decoder=(_some(first, own), _some(second, own)),
        )
        return PseudoMasks(self.cosines[own], _some(self.local, own), guides)

    def of_concepts(self, chosen: Tensor) -> PseudoMasks:
        guides, local = self.guides, self.local
        words = None if guides.text is None else guides.text[:, chosen]
        return PseudoMasks(
            cosines=self.cosines[:, :, chosen],
            local=None if local is None else local[:, :, chosen],
            guides=Guides(guides.visual, words, guides.decoder),
        )


class FgasegHead(nn.Module):
    """Features and text to logits; the same seed gives the same first weights."""

    def __init__(self, options: FgasegOptions, seed: int = 0) -> None:
        super().__init__()
        self.options, sizes = options, options.sizes
        self.trunk = CostTrunk(sizes, options.trunk, seed)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.pixel_text = (
                PixelTextTransformer(
                    sizes.shared, options.text_heads, options.text_layers, options.text_share
                )
                if options.text_layers
                else None
            )
            self.local = LocalBranch(options) if options.local_side else None
            self.auxiliary = AuxiliaryHeads(sizes) if options.auxiliary else None
            self.align = AlignHead(sizes.shared) if options.align_weight else None

    def forward(self, seen: TappedFeatures, text: Tensor) -> Tensor:
        """As the trunk's: (windows or 1, concepts, 1, width) -> logits."""
        seen, words = self._met(seen, text)
        cosines = cost_volume(seen.cells, words)
        keep = 0 if self.training else self.trunk.options.keep
        return only_strongest(cosines, words, keep, partial(self._refined, seen))

    def losses(self, seen: TappedFeatures, text: Tensor, truth: Truth) -> dict[str, Tensor]:
        """The parts of the training loss, weighted."""
        seen, words = self._met(seen, text)
        rough, logits = self.all_logits(seen, words)
        losses = {"pixels": pixel_loss(logits, truth)}
        if rough:
            first, *others = (pixel_loss(each, truth) for each in rough)
            losses["auxiliary"] = self.options.auxiliary_weight * first + sum(others)
        if self.align is not None:
            aligned = align_loss(self.align(seen.cells, words), truth)
            losses["align"] = self.options.align_weight * aligned
        return losses

    def all_logits(self, seen: TappedFeatures, words: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        """The auxiliary logits, if there are such heads, and the final ones; nothing left behind.

        `words` are those of each window after they have looked at its cells.
        """
        masks = self._masks(seen, cost_volume(seen.cells, words), words)
        fused = list(self._fused(masks))
        cells = list(self._injected(self._aggregated(fused, masks), masks))
        decoded = list(self._decoded(cells, masks))
        logits = self._logits(decoded, masks)
        if self.auxiliary is None:
            return (), logits
        rough = (
            self.auxiliary(_planes(torch.cat(fused, dim=1)), COSINES),
            self.auxiliary(_planes(torch.cat(cells, dim=1)), CELLS),
            self.auxiliary(torch.cat(decoded, dim=1), DECODED),
        )
        return rough, logits

    def _met(self, seen: TappedFeatures, text: Tensor) -> tuple[TappedFeatures, Tensor]:
        """Features, and the words of each window after they have looked at its cells."""
        self.trunk.refuse_other_towers(seen, text)
        seen, text = seen.in_float32(), text.float()
        if self.pixel_text is None:
            return seen, text.expand(len(seen.cells), -1, -1, -1)
        return seen, self.pixel_text(seen.cells, text)

    def _masks(self, seen: TappedFeatures, cosines: Tensor, words: Tensor) -> PseudoMasks:
        local = None if self.local is None else self.local.alignment(seen.cells, words)
        return PseudoMasks(cosines, local, self.trunk.guidance(seen, words))

    def _refined(self, seen: TappedFeatures, cosines: Tensor, words: Tensor) -> Tensor:
        masks = self._masks(seen, cosines, words)
        top = 0 if self.training else self.options.fast_top
        if self.auxiliary is None or not 0 < top < cosines.shape[2]:
            cells = self._injected(self._aggregated(self._fused(masks), masks), masks)
            return self._logits(self._decoded(cells, masks), masks)
        # One by one: each window keeps the concepts that are strong somewhere in itself.
        windows = map(masks.of_window, range(len(cosines)))
        return torch.cat([self._quick_logits(window, self.auxiliary, top) for window in windows])

    def _quick_logits(self, masks: PseudoMasks, heads: AuxiliaryHeads, top: int) -> Tensor:
        """The logits of one window, most concepts left behind at one of three places."""
        every = masks.cosines.shape[2]
        rough = [heads(_planes(chunk), COSINES) for chunk in self._fused(masks)]
        kept = strong_somewhere(torch.cat(rough, dim=1), top)
        masks = masks.of_concepts(kept)
        cells = torch.cat(
            list(self._injected(self._aggregated(self._fused(masks), masks), masks)), dim=1
        )
        chosen = strong_somewhere(heads(_planes(cells), CELLS), top)
        kept, masks, cells = kept[chosen], masks.of_concepts(chosen), cells[:, chosen]
        decoded = torch.cat(list(self._decoded(self._in_chunks(cells, masks), masks)), dim=1)
        chosen = strong_somewhere(heads(decoded, DECODED), top)
        kept, masks, decoded = kept[chosen], masks.of_concepts(chosen), decoded[:, chosen]
        logits = self._logits(self._in_chunks(decoded, masks), masks)
        left = logits.new_full((1, every, *logits.shape[2:]), REJECTED)
        return left.index_copy(1, kept, logits)

    def _fused(self, masks: PseudoMasks) -> Iterator[Tensor]:
        """Both pseudo-masks as one embedded map, concepts in chunks."""
        embedded = map(self.trunk.embedded, self.trunk.chunks_of(masks.cosines))
        if self.local is None or masks.local is None:
            return embedded
        return map(self.local.fused, embedded, self.trunk.chunks_of(masks.local))

    def _aggregated(self, chunks: Iterable[Tensor], masks: PseudoMasks) -> Iterable[Tensor]:
        for layer in self.trunk.layers:
            chunks = layer(chunks, masks.guides)
        return chunks

    def _injected(self, chunks: Iterable[Tensor], masks: PseudoMasks) -> Iterable[Tensor]:
        if self.local is None or masks.local is None:
            return chunks
        return map(self.local.injected_before, chunks, self.trunk.chunks_of(masks.local))

    def _decoded(self, chunks: Iterable[Tensor], masks: PseudoMasks) -> Iterator[Tensor]:
        """By the decoder's first stage, with the second injection."""
        guide, _ = masks.guides.decoder
        decoded = (self.trunk.decoder.first(_planes(chunk), guide) for chunk in chunks)
        if self.local is None or masks.local is None:
            return decoded
        return map(self.local.injected_after, decoded, self.trunk.chunks_of(masks.local))

    def _logits(self, chunks: Iterable[Tensor], masks: PseudoMasks) -> Tensor:
        decoder, (_, guide) = self.trunk.decoder, masks.guides.decoder
        logits = torch.cat([decoder.logits(decoder.second(each, guide)) for each in chunks], dim=1)
        return self.trunk.on_cosines(masks.cosines, logits)

    def _in_chunks(self, values: Tensor, masks: PseudoMasks) -> Sequence[Tensor]:
        """Concepts of (windows, concepts, ...) in the chunks of the pseudo-masks."""
        sizes = [chunk.shape[2] for chunk in self.trunk.chunks_of(masks.cosines)]
        return torch.split(values, sizes, dim=1)


def _planes(chunk: Tensor) -> Tensor:
    """Width last to width in the middle."""
    return chunk.permute(0, 1, 4, 2, 3)


def _some(values: Tensor | None, windows: slice) -> Tensor | None:
    return None if values is None else values[windows]
