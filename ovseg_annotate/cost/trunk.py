"""The trunk that the trained engines share: cosines, refined and enlarged.

Formulas: "CAT-Seg: Cost Aggregation for Open-Vocabulary Semantic Segmentation" (Cho et al. 2024,
section 3). Engines that add to it use its parts; each of them takes concepts in chunks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from ovseg_annotate.backbones.taps import TappedFeatures
from ovseg_annotate.cost.aggregation import AggregationLayer
from ovseg_annotate.cost.decoder import Decoder
from ovseg_annotate.cost.guidance import Guidance, Guides
from ovseg_annotate.cost.loss import Truth, pixel_loss
from ovseg_annotate.cost.options import TrunkOptions, TrunkSizes
from ovseg_annotate.cost.volume import cost_volume, only_strongest
from ovseg_annotate.engine import some_windows
from ovseg_annotate.errors import ModelError

FINENESS = 4  # cells of the logits for one cell of the tower, both ways

# (features, text) -> logits (windows, concepts, rows, columns)
Head: TypeAlias = Callable[[TappedFeatures, Tensor], Tensor]

EMBEDDING_REACH = 7
_FIRST_SCALE, _FIRST_MIDDLE = 12.0, 0.42  # steeper, and little is learnt beside them
_CELLS_KEPT = 2**19  # of all concepts and windows at a time: 256 MB of 128 numbers each


class CostTrunk(nn.Module):
    """Features and text to logits; the same seed gives the same first weights."""

    def __init__(self, sizes: TrunkSizes, options: TrunkOptions, seed: int = 0) -> None:
        super().__init__()
        self.sizes, self.options = sizes, options
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.guidance = Guidance(sizes, options)
            self.embedding = nn.Conv2d(
                sizes.phrases, sizes.hidden, EMBEDDING_REACH, padding=EMBEDDING_REACH // 2
            )
            self.layers = nn.ModuleList(
                AggregationLayer(sizes, options) for _ in range(options.layers)
            )
            self.decoder = Decoder(sizes, options)
            self.start = CosineStart(self.decoder) if options.on_cosines else None

    def forward(self, seen: TappedFeatures, text: Tensor) -> Tensor:
        """(windows or 1, concepts, phrases, width) -> (windows, concepts, 4 rows, 4 columns).

        Towers may run in half precision; the trunk does not. In training every concept stays: a
        rejected one would learn nothing.
        """
        self.refuse_other_towers(seen, text)
        seen, text = seen.in_float32(), text.float()
        return self.scored(seen, self.cosines(seen, text), text)

    def cosines(self, seen: TappedFeatures, text: Tensor) -> Tensor:
        """(windows, phrases, concepts, rows, columns)."""
        return cost_volume(seen.cells, text)

    def scored(self, seen: TappedFeatures, cost: Tensor, text: Tensor) -> Tensor:
        """Logits of the concepts that are worth it, as many as the options say."""
        keep = 0 if self.training else self.options.keep
        return only_strongest(cost, text, keep, partial(self.refined, seen))

    def refined(self, seen: TappedFeatures, cost: Tensor, text: Tensor) -> Tensor:
        """Cosines (windows, phrases, concepts, rows, columns) to logits, all concepts."""
        guides = self.guidance(seen, text)
        planes = self.planes(seen, cost, text)
        chunks: Iterable[Tensor] = map(self.embedded, self.chunks_of(planes))
        for number in range(len(self.layers)):
            chunks = self.aggregated(number, chunks, guides)
        return self.on_cosines(cost, self.decoded(chunks, guides))

    def on_cosines(self, cost: Tensor, logits: Tensor) -> Tensor:
        """The logits, as a correction of the cosines where the trunk is made so."""
        return logits if self.start is None else self.start(cost, logits)

    def losses(self, seen: TappedFeatures, text: Tensor, truth: Truth) -> dict[str, Tensor]:
        return {"pixels": pixel_loss(self(seen, text), truth)}

    def aggregated(self, number: int, chunks: Iterable[Tensor], guides: Guides) -> Iterable[Tensor]:
        """The chunks after layer `number`."""
        after: Iterable[Tensor] = self.layers[number](chunks, guides)
        return after

    def planes(self, seen: TappedFeatures, cost: Tensor, text: Tensor) -> Tensor:
        """What is embedded for each concept; a system may add channels to the cosines."""
        del seen, text
        return cost

    def chunks_of(self, cost: Tensor) -> Sequence[Tensor]:
        """The cosines in pieces of as many concepts as are worked on together."""
        windows, _, _, rows, columns = cost.shape
        at_once = self.options.cells_at_once // (windows * rows * columns)
        return torch.split(cost, max(at_once, 1), dim=2)

    def embedded(self, cost: Tensor) -> Tensor:
        """(windows, phrases, concepts, rows, columns) -> (windows, concepts, ..., hidden)."""
        planes = self.embedding_of(cost.transpose(1, 2).flatten(0, 1))
        embedded: Tensor = planes.permute(0, 2, 3, 1).contiguous()
        return embedded.view(len(cost), -1, *embedded.shape[1:])

    def embedding_of(self, planes: Tensor) -> Tensor:
        """(windows * concepts, channels, rows, columns) -> (..., hidden, rows, columns)."""
        embedded: Tensor = self.embedding(planes)
        return embedded

    def decoded(self, chunks: Iterable[Tensor], guides: Guides) -> Tensor:
        return torch.cat([self.decoder(chunk, guides.decoder) for chunk in chunks], dim=1)

    def refuse_other_towers(self, seen: TappedFeatures, text: Tensor) -> None:
        sizes = self.sizes
        got, wanted = (seen.cells.shape[1], *text.shape[2:]), (sizes.shared, sizes.phrases)
        if got != (*wanted, sizes.shared):
            raise ModelError(
                f"this head takes cells of width {sizes.shared} and {sizes.phrases} phrases of "
                f"that width for every concept, got cells of width {got[0]} and text of shape "
                f"{tuple(text.shape)}; use the tower and the words that it was trained with"
            )
        if self.options.decoder_guidance and seen.taps.shape[1:3] != (2, sizes.tower):
            raise ModelError(
                f"this head reads 2 layers of width {sizes.tower}, got taps of shape "
                f"{tuple(seen.taps.shape)}; use the tower that it was trained with"
            )


class CosineStart(nn.Module):
    """Cosines as logits, which a head that knows nothing yet leaves as they are.

    A head from nothing has to learn first what the tower knows already. This one begins at the
    training-free answer, so that a short training on a small machine is all gain.
    """

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(_FIRST_SCALE))
        self.middle = nn.Parameter(torch.tensor(_FIRST_MIDDLE))
        nn.init.zeros_(decoder.head.weight)

    def forward(self, cost: Tensor, logits: Tensor) -> Tensor:
        """Cosines (windows, phrases, concepts, rows, columns), logits on the finer grid."""
        finer = functional.interpolate(cost.mean(dim=1), logits.shape[2:], mode="bilinear")
        return logits + self.scale * (finer - self.middle)


@torch.no_grad()
def probabilities(head: Head, seen: TappedFeatures, text: Tensor) -> Tensor:
    """Sigmoid of a head's logits, as many windows at a time as memory should hold."""
    windows, _, rows, columns = seen.cells.shape
    step = max(_CELLS_KEPT // (text.shape[1] * rows * columns), 1)
    parts = []
    for start in range(0, windows, step):
        some = text if len(text) == 1 else text[start : start + step]
        parts.append(head(some_windows(seen, start, start + step), some).sigmoid_())
    return torch.cat(parts)
