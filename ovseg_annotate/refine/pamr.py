"""Pixel-adaptive refinement: each pixel takes the mean of the neighbours that look like it.

After "Single-Stage Semantic Segmentation from Image Labels" (Araslanov and Roth, CVPR 2020),
section "Pixel-adaptive mask refinement". With neighbours r, eight for each dilation,

    weight_r = softmax over r of  -mean over channels of |x_r - x| / (1e-8 + 0.1 sigma)
    score   <- sum over r of weight_r score_r           (several times; the pixel itself is out)

where sigma is the standard deviation of a channel over the neighbours and the pixel, which is
counted once for each dilation. Outside, the border pixel is repeated.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional

from ovseg_annotate.geometry import Size, Window
from ovseg_annotate.refine.options import PamrSchedule

_SIGMA_FLOOR = 1e-8
_SIGMA_SHARE = 0.1
_LEAST_VARIANCE = 1e-30  # far below the floor of sigma, and its square root is a number
_LOG2_E = math.log2(math.e)
# Numbers that one call works on: few enough to stay in the caches of the cores that torch splits
# them over, and so many that the split takes less time than the numbers.
_CALL_NUMBERS = 250_000
_WHOLE_VECTORS = 2**14  # numbers that torch neither splits over threads nor ends within a vector


def refined_window(scores: Tensor, guide: Tensor, core: Window, schedule: PamrSchedule) -> Tensor:
    """Refine the rectangle `core` of a picture and nothing else.

    scores (k, h, w) and guide (c, h, w) cover the whole picture or strip; only the halo of `core`
    is read. The answer, (k, core.height, core.width), equals the same rectangle of the whole
    picture refined at once.
    """
    return weighted_window(scores, window_weights(guide, core, schedule), core, schedule)


def window_weights(guide: Tensor, core: Window, schedule: PamrSchedule) -> Weights:
    """What refines the rectangle `core`, whatever the scores."""
    canvas = _Canvas.around(core, Size(*guide.shape[1:]), schedule)
    return _weights(canvas.of(guide), canvas)


def part_of_weights(
    weights: Weights, whole: Window, part: Window, schedule: PamrSchedule
) -> Weights:
    """Of the weights for the rectangle `whole` those for a rectangle in it."""
    if part == whole:
        return weights
    # Both have the same halo, and rows as far as the neighbours of the first step reach.
    around = 2 * (schedule.halo - max(schedule.dilations))
    top, left = part.top - whole.top, part.left - whole.left
    rows = slice(top, top + part.height + around)
    columns = slice(left, left + part.width + 2 * schedule.halo)

    def cut(lines: Tensor) -> Tensor:
        grid = lines.view(*lines.shape[:-1], whole.height + around, -1)
        return grid[..., rows, columns].flatten(-2)

    return Weights(cut(weights.lines), cut(weights.shares))


def weighted_window(
    scores: Tensor, weights: Weights, core: Window, schedule: PamrSchedule
) -> Tensor:
    """As `refined_window`, with weights that are known already."""
    canvas = _Canvas.around(core, Size(*scores.shape[1:]), schedule)
    values = canvas.of(scores)
    for step in range(1, schedule.iterations + 1):
        values = _averaged(values, weights, canvas, step)
        canvas.repeat_border(values)
    halo = schedule.halo
    return canvas.rows_of(values)[:, halo:-halo, halo:-halo]


@dataclass(frozen=True, slots=True)
class _Canvas:
    """A rectangle with its halo on every side, row after row in one line of numbers.

    A neighbour is the same line a fixed number of places on, so that every step runs over whole
    lines. What it takes from behind the end of a row lands in the halo: a step makes the outermost
    `reach` of what was right wrong, and the halo is as wide as all steps together.
    """

    width: int
    height: int
    reach: int  # px to the farthest neighbour
    offsets: tuple[int, ...]  # places to the neighbours behind; as many lie before
    covered: Window  # what there is of the picture
    outside: tuple[int, int, int, int]  # px beyond it: left, right, top, bottom

    @classmethod
    def around(cls, core: Window, size: Size, schedule: PamrSchedule) -> _Canvas:
        halo = schedule.halo
        covered = grown_window(core, halo, size)
        width = core.width + 2 * halo
        behind = ((0, 1), (1, -1), (1, 0), (1, 1))
        return cls(
            width=width,
            height=core.height + 2 * halo,
            reach=max(schedule.dilations),
            offsets=tuple(
                dilation * (down * width + right)
                for dilation, (down, right) in product(schedule.dilations, behind)
            ),
            covered=covered,
            outside=(
                halo - (core.left - covered.left),
                halo - (covered.right - core.right),
                halo - (core.top - covered.top),
                halo - (covered.bottom - core.bottom),
            ),
        )

    def of(self, values: Tensor) -> Tensor:
        """Lines of (channels, h, w); outside, the border pixel is repeated."""
        near = values[:, *self.covered.slices]
        if any(self.outside):
            near = functional.pad(near, self.outside, mode="replicate")
        return near.reshape(len(near), -1)

    def rows_of(self, lines: Tensor) -> Tensor:
        """(channels, height, width) of lines."""
        return lines.view(len(lines), self.height, self.width)

    @property
    def rows(self) -> tuple[int, int]:
        """The places of the rows that have all their neighbours after one step."""
        return self.reach * self.width, (self.height - self.reach) * self.width

    def span(self, step: int) -> tuple[int, int]:
        """The places that have all their neighbours after so many steps."""
        margin = self.reach * step * self.width
        return margin + self.reach, self.height * self.width - margin - self.reach

    def pieces(self, step: int, lines: int, device: torch.device) -> Iterator[tuple[int, int]]:
        """Cut the span of a step so that so many lines of a piece are one call's work."""
        first, last = self.span(step)
        count = 1
        if device.type == "cpu":
            count = math.ceil((last - first) * lines / _CALL_NUMBERS)
        length = math.ceil((last - first) / count)
        for start in range(first, last, length):
            yield start, min(start + length, last)

    def repeat_border(self, lines: Tensor) -> None:
        """Give what lies outside the picture the values of its border again."""
        left, right, top, bottom = self.outside
        rows = self.rows_of(lines)
        if left:
            rows[:, :, :left] = rows[:, :, left : left + 1]
        if right:
            rows[:, :, -right:] = rows[:, :, -right - 1 : -right]
        if top:
            rows[:, :top] = rows[:, top : top + 1]
        if bottom:
            rows[:, -bottom:] = rows[:, -bottom - 1 : -bottom]


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """The weight of every neighbour in the rows that have all their neighbours after one step."""

    lines: Tensor  # (neighbours, places); for each offset the neighbour behind, then before
    shares: Tensor  # (places,) one over their sum

    @property
    def bytes(self) -> int:
        return self.lines.nbytes + self.shares.nbytes


def _weights(guide: Tensor, canvas: _Canvas) -> Weights:
    first, last = canvas.rows
    weights = guide.new_empty((2 * len(canvas.offsets), last - first))
    shares = guide.new_empty(last - first)
    for lines in (weights, shares):  # the corners lack a neighbour
        lines[..., : canvas.reach] = lines[..., -canvas.reach :] = 0.0
    for start, stop in canvas.pieces(1, len(guide), guide.device):
        places = slice(start - first, stop - first)
        _fill_weights(weights[:, places], shares[places], guide, canvas.offsets, start)
    return Weights(weights, shares)


def _fill_weights(
    weights: Tensor, shares: Tensor, guide: Tensor, offsets: tuple[int, ...], start: int
) -> None:
    """Fill (neighbours, places) and (places,) for the places of the guide from `start` on."""
    count, channels = len(shares), len(guide)
    total = guide.new_zeros((channels, count))
    squares = torch.zeros_like(total)
    distances = []
    # Deviations from the centre: squares of the grey values themselves would cancel. What one
    # place sees behind it, another one sees before it.
    for offset in offsets:
        here = guide[:, start - offset : start + count]
        step = guide[:, start : start + count + offset] - here
        behind, before = step[:, offset:], step[:, :count]
        total.add_(behind).sub_(before)
        squares.addcmul_(behind, behind).addcmul_(before, before)
        step.abs_()
        distances.append((behind, before))
    samples = 2 * len(offsets) + len(offsets) // 4
    variance = squares.addcmul_(total, total, value=-1 / samples).div_(samples - 1)
    variance.clamp_(min=_LEAST_VARIANCE)
    sigma = variance.mul_(variance.rsqrt())
    scale = sigma.mul_(_SIGMA_SHARE).add_(_SIGMA_FLOOR).reciprocal_().mul_(-_LOG2_E / channels)
    # The most similar neighbour is at most 1 / (0.1 x 0.32) away: its power does not vanish.
    shares.zero_()
    sides = (side for pair in distances for side in pair)
    scaled = torch.empty_like(scale)
    powers = guide.new_zeros(math.ceil(count / _WHOLE_VECTORS) * _WHOLE_VECTORS)
    for weight, distance in zip(weights.unbind(), sides, strict=True):
        torch.sum(torch.mul(distance, scale, out=scaled), dim=0, out=powers[:count])
        _raise_two(powers)
        shares.add_(weight.copy_(powers[:count]))
    shares.reciprocal_()


def _raise_two(powers: Tensor) -> None:
    """Two to the power of each number, with the same bits wherever the number stands.

    What is left behind the last whole vector of a thread would come from another routine.
    """
    if powers.device.type != "cpu":
        powers.exp2_()
        return
    for part in powers.view(-1, _WHOLE_VECTORS).unbind():
        part.exp2_()


def _averaged(values: Tensor, weights: Weights, canvas: _Canvas, step: int) -> Tensor:
    """One step over lines (k, places of the canvas); what has lost its neighbours is 0."""
    result = torch.zeros_like(values)
    first, _ = canvas.rows
    shifts = [shift for offset in canvas.offsets for shift in (offset, -offset)]
    for start, stop in canvas.pieces(step, len(values), values.device):
        part = result[:, start:stop]
        places = slice(start - first, stop - first)
        for weight, shift in zip(weights.lines[:, places].unbind(), shifts, strict=True):
            part.addcmul_(values[:, start + shift : stop + shift], weight)
        part.mul_(weights.shares[places])
    return result


def grown_window(window: Window, by: int, size: Size) -> Window:
    """The window and so many px around it, as far as there is a picture."""
    top, left = max(0, window.top - by), max(0, window.left - by)
    bottom = min(size.height, window.bottom + by)
    right = min(size.width, window.right + by)
    return Window(top, left, bottom - top, right - left)
