"""From the coarse score map to a label, a confidence and a margin for every pixel.

The work goes block by block with a halo for the refinement, so that memory grows with the block
and the coarse grid and not with concepts x pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ovseg_annotate.geometry import Size, Window
from ovseg_annotate.label_map import LabelMap, label_dtype
from ovseg_annotate.refine.kept_weights import PictureWeights
from ovseg_annotate.refine.options import RefineOptions
from ovseg_annotate.refine.strips import refine_strip
from ovseg_annotate.vocabulary import Vocabulary

_BLOCK_BYTES = 24 * 2**20  # of pixel scores in one block; larger ones are slower (page faults)
_SMALLEST_BLOCK = 64  # px
_ROWS_AT_ONCE = 256  # that are compared: what is compared stays in the caches
_ROUNDING = 1e-5  # probabilities of a cell sum to one only this exactly


@dataclass(frozen=True, slots=True)
class CoarseScores:
    """The stitched probabilities of a whole picture."""

    values: Tensor  # (concepts, rows, columns), 0 to 1
    competing: bool
    vocabulary: Vocabulary


def label_map_of(
    scores: CoarseScores,
    pixels: NDArray[np.uint8],
    threshold: float,
    refine: RefineOptions,
    step: Callable[[int, int], None],
    weights: PictureWeights | None = None,
) -> LabelMap:
    """Give each pixel its strongest concept; leave weak and negative pixels unlabelled.

    `pixels` (height, width, 3) guides the refinement; `step(done, total)` is called after each
    block and may raise to stop. `weights` are where those of the refinement are kept.
    """
    size = Size(*pixels.shape[:2])
    dtype = label_dtype(scores.vocabulary)
    labels = np.zeros((size.height, size.width), dtype)
    confidence = np.zeros(labels.shape, np.float16)
    margin = np.zeros(labels.shape, np.float16)
    rules = _Rules.read(scores.vocabulary, threshold, scores.values.device)
    blocks = list(_blocks(size, len(scores.vocabulary), refine.halo))
    for done, block in enumerate(blocks, start=1):
        values, leading = _refined(scores, pixels, block, refine, weights)
        own_rules = rules.of(leading)
        for top in range(0, block.height, _ROWS_AT_ONCE):
            winner, best, second = _best_two(values[:, top : top + _ROWS_AT_ONCE])
            # As it is kept: another threshold on the kept confidence gives what a new run would.
            kept = best.to(torch.float16)
            part = own_rules.labels_of(winner, kept.float())
            there = Window(block.top + top, block.left, *winner.shape).slices
            labels[there] = part.cpu().numpy()
            confidence[there] = kept.cpu().numpy()
            margin[there] = (best - second).to(torch.float16).cpu().numpy()
        step(done, len(blocks))
    return LabelMap(labels, confidence, margin, scores.vocabulary)


@dataclass(frozen=True, slots=True)
class _Rules:
    """What turns a winning concept into a label."""

    labels: Tensor  # (concepts,) int32: concept number + 1, or 0 for a negative one
    thresholds: Tensor  # (concepts,) float32

    @classmethod
    def read(cls, vocabulary: Vocabulary, threshold: float, device: torch.device) -> _Rules:
        labels = [0 if c.negative else number + 1 for number, c in enumerate(vocabulary)]
        own = [threshold if c.threshold is None else c.threshold for c in vocabulary]
        return cls(
            torch.tensor(labels, dtype=torch.int32, device=device),
            torch.tensor(own, dtype=torch.float32, device=device),
        )

    def of(self, concepts: Tensor | None) -> _Rules:
        """Those of some concepts, in their order; None: of all."""
        if concepts is None:
            return self
        return _Rules(self.labels[concepts], self.thresholds[concepts])

    def labels_of(self, winner: Tensor, best: Tensor) -> Tensor:
        """(h, w) int32; `winner` (h, w) int32 counts concepts from 0, `best` is its probability."""
        flat = winner.flatten()
        labels, thresholds = (of.index_select(0, flat) for of in (self.labels, self.thresholds))
        return (labels * (best.flatten() >= thresholds)).view(winner.shape)


def _blocks(size: Size, concepts: int, halo: int) -> Iterator[Window]:
    """Cut a picture into blocks of whole rows where they fit, of squares where they do not."""
    pixels = max(_BLOCK_BYTES // (4 * concepts), 1)
    rows = pixels // size.width - 2 * halo
    width = size.width
    if rows < _SMALLEST_BLOCK:
        width = rows = max(_SMALLEST_BLOCK, math.isqrt(pixels) - 2 * halo)
    for top in range(0, size.height, rows):
        for left in range(0, size.width, width):
            yield Window(top, left, min(rows, size.height - top), min(width, size.width - left))


def _refined(
    scores: CoarseScores,
    pixels: NDArray[np.uint8],
    block: Window,
    refine: RefineOptions,
    weights: PictureWeights | None,
) -> tuple[Tensor, Tensor | None]:
    """The probabilities (k, height, width) in a block, and of which concepts (None: of all)."""
    size = Size(*pixels.shape[:2])
    halo = refine.halo
    top, left = max(0, block.top - halo), max(0, block.left - halo)
    bottom, right = min(size.height, block.bottom + halo), min(size.width, block.right + halo)
    outer = Window(top, left, bottom - top, right - left)
    down = _Interpolation.of(scores.values.shape[1], size.height, outer.top, outer.bottom)
    across = _Interpolation.of(scores.values.shape[2], size.width, outer.left, outer.right)
    cells = scores.values[:, down.cells, across.cells]
    leading = _leading_concepts(cells) if scores.competing else None
    if leading is not None:
        cells = cells[leading]
    values = down.weights.to(cells) @ cells @ across.weights.to(cells).T  # (concepts, h, w)
    if refine.method != "none":
        guide = torch.from_numpy(np.ascontiguousarray(pixels[outer.slices])).to(cells.device)
        guide = guide.permute(2, 0, 1)
        of_strip = None if weights is None else weights.of_strip(outer)
        values = refine_strip(values, guide, refine, of_strip)
    inner = values[:, block.top - top : block.bottom - top, block.left - left : block.right - left]
    return inner, leading


@dataclass(frozen=True, slots=True)
class _Interpolation:
    """Linear interpolation along one axis, for the output pixels start to stop."""

    cells: slice  # the cells that take part
    weights: Tensor  # (stop - start, cells)

    @classmethod
    def of(cls, cells: int, length: int, start: int, stop: int) -> _Interpolation:
        centres = (torch.arange(start, stop, dtype=torch.float64) + 0.5) * (cells / length) - 0.5
        centres = centres.clamp(0, cells - 1)
        lower = centres.floor().long()
        upper = (lower + 1).clamp(max=cells - 1)
        first, last = int(lower[0]), int(upper[-1])
        weights = torch.zeros(stop - start, last - first + 1, dtype=torch.float64)
        rows = torch.arange(stop - start)
        share = centres - lower
        weights[rows, lower - first] += 1 - share
        weights[rows, upper - first] += share
        return cls(slice(first, last + 1), weights)


def _leading_concepts(cells: Tensor) -> Tensor | None:
    """The concepts that can win somewhere in a block of probabilities that sum to one.

    Every later step takes convex means of cells, so a concept never exceeds its largest cell. If
    the n strongest are kept, the others hold at most the sum of their largest cells, and the
    winner has at least an n-th of the rest: whoever stays below that cannot win.
    """
    largest = cells.amax(dim=(1, 2))
    order = largest.argsort(descending=True)
    ranked = largest[order].double()
    dropped = ranked.sum() - ranked.cumsum(0)  # mass of those after the n-th, n = 1...
    following = torch.cat([ranked[1:], ranked.new_zeros(1)])
    counts = torch.arange(1, len(ranked) + 1, device=ranked.device)
    safe = following < (1.0 - dropped) / counts - _ROUNDING
    safe[-1] = True
    kept = int(torch.nonzero(safe)[0]) + 1
    kept = max(kept, 2)  # the runner-up makes the margin
    if kept >= len(ranked):
        return None
    return order[:kept].sort().values


def _best_two(values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Index (int32) and value of the largest and value of the second, over the first axis."""
    best = values[0].clone()
    second, lower = torch.zeros_like(best), torch.empty_like(best)
    winner = torch.zeros(best.shape, dtype=torch.int32, device=best.device)
    is_higher = torch.empty(best.shape, dtype=torch.bool, device=best.device)
    for number in range(1, len(values)):
        value = values[number]
        torch.minimum(value, best, out=lower)
        torch.maximum(second, lower, out=second)
        winner.masked_fill_(torch.gt(value, best, out=is_higher), number)
        torch.maximum(best, value, out=best)
    return winner, best, second
