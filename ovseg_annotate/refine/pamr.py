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

import torch
from torch import Tensor
from torch.nn import functional

from ovseg_annotate.geometry import Size, Window
from ovseg_annotate.refine.options import PamrSchedule

_SIGMA_FLOOR = 1e-8
_SIGMA_SHARE = 0.1
_LEAST_VARIANCE = 1e-30  # far below the floor of sigma, and its square root is a number
_LOG2_E = math.log2(math.e)
# Numbers that one call works on: they stay in the cache of one core, and torch does not split
# calls of this size over threads, where many short ones would wait longer than they work.
_CALL_NUMBERS = 30_000


def refined_window(scores: Tensor, guide: Tensor, core: Window, schedule: PamrSchedule) -> Tensor:
    """Refine the rectangle `core` of a picture and nothing else.

    scores (k, h, w) and guide (c, h, w) cover the whole picture or strip; only the halo of `core`
    is read. The answer, (k, core.height, core.width), equals the same rectangle of the whole
    picture refined at once: every step covers what the next one still needs.
    """
    size = Size(*scores.shape[1:])
    reach = max(schedule.dilations)
    inner = grown_window(core, reach * (schedule.iterations - 1), size)
    weights = _weights(guide, inner, schedule.dilations)
    covered = grown_window(core, schedule.halo, size)
    values = scores[:, covered.top : covered.bottom, covered.left : covered.right]
    for left_over in reversed(range(schedule.iterations)):
        target = grown_window(core, reach * left_over, size)
        padded = _with_margin(values, covered, target, reach)
        values = _averaged(padded, _part(weights, inner, target), schedule.dilations)
        covered = target
    return values


def _weights(guide: Tensor, window: Window, dilations: tuple[int, ...]) -> Tensor:
    """The weight of every neighbour for the pixels of a window: (neighbours, height, width)."""
    reach = max(dilations)
    around = grown_window(window, reach, Size(*guide.shape[1:]))
    near = _with_margin(guide[:, *around.slices], around, window, reach)
    weights = near.new_empty((8 * len(dilations), window.height, window.width))
    for rows in _row_steps(near, weights):
        _fill_weights(weights[:, rows], near[:, rows.start : rows.stop + 2 * reach], dilations)
    return weights


def _fill_weights(weights: Tensor, near: Tensor, dilations: tuple[int, ...]) -> None:
    """Fill (neighbours, h, w) from near (channels, h + 2 reach, w + 2 reach)."""
    reach = max(dilations)
    centre = near[:, reach:-reach, reach:-reach]
    steps = near.new_empty((len(weights), *centre.shape))
    total, squares = torch.zeros_like(centre), torch.zeros_like(centre)
    # Deviations from the centre: squares of the grey values themselves would cancel.
    for step, moved in zip(steps, _neighbours(near, dilations), strict=True):
        torch.sub(moved, centre, out=step)
        total.add_(step)
        squares.addcmul_(step, step)
    samples = len(steps) + len(dilations)
    variance = squares.addcmul_(total, total, value=-1 / samples).div_(samples - 1)
    variance.clamp_(min=_LEAST_VARIANCE)
    # exp2 and rsqrt: torch would split exp and sqrt over threads even in pieces of this size.
    sigma = variance.mul_(variance.rsqrt())
    scale = sigma.mul_(_SIGMA_SHARE).add_(_SIGMA_FLOOR).reciprocal_().mul_(-_LOG2_E / len(near))
    # The most similar neighbour is at most 1 / (0.1 x 0.32) away: its power does not vanish.
    whole = torch.zeros_like(weights[0])
    for weight, step in zip(weights, steps, strict=True):
        torch.sum(step.abs_().mul_(scale), dim=0, out=weight)
        whole.add_(weight.exp2_())
    whole.reciprocal_()
    for weight in weights:
        weight.mul_(whole)


def _averaged(padded: Tensor, weights: Tensor, dilations: tuple[int, ...]) -> Tensor:
    """One step; `padded` (k, h + 2 reach, w + 2 reach) -> (k, h, w)."""
    reach = max(dilations)
    result = padded.new_empty((len(padded), *weights.shape[1:]))
    for rows in _row_steps(padded, weights):
        part = result[:, rows].zero_()
        near = padded[:, rows.start : rows.stop + 2 * reach]
        for weight, moved in zip(weights[:, rows], _neighbours(near, dilations), strict=True):
            part.addcmul_(moved, weight)
    return result


def _neighbours(padded: Tensor, dilations: tuple[int, ...]) -> Iterator[Tensor]:
    """The inner part of `padded`, moved to each neighbour; views of (channels, h, w)."""
    reach = max(dilations)
    height, width = padded.shape[1] - 2 * reach, padded.shape[2] - 2 * reach
    for dilation in dilations:
        for down in (reach - dilation, reach, reach + dilation):
            for right in (reach - dilation, reach, reach + dilation):
                if (down, right) != (reach, reach):
                    yield padded[:, down : down + height, right : right + width]


def _row_steps(values: Tensor, weights: Tensor) -> Iterator[slice]:
    height, width = weights.shape[1:]
    rows = height
    if values.device.type == "cpu":
        rows = max(1, _CALL_NUMBERS // (len(values) * width))
    for top in range(0, height, rows):
        yield slice(top, min(top + rows, height))


def grown_window(window: Window, by: int, size: Size) -> Window:
    """The window and so many px around it, as far as there is a picture."""
    top, left = max(0, window.top - by), max(0, window.left - by)
    bottom = min(size.height, window.bottom + by)
    right = min(size.width, window.right + by)
    return Window(top, left, bottom - top, right - left)


def _part(values: Tensor, covered: Window, wanted: Window) -> Tensor:
    top, left = wanted.top - covered.top, wanted.left - covered.left
    return values[:, top : top + wanted.height, left : left + wanted.width]


def _with_margin(values: Tensor, covered: Window, target: Window, reach: int) -> Tensor:
    """`values` of the window `covered` as `target` and `reach` px on every side of it.

    Where `covered` ends earlier the picture ends, and the border pixel is repeated.
    """
    missing = (
        reach - (target.left - covered.left),
        reach - (covered.right - target.right),
        reach - (target.top - covered.top),
        reach - (covered.bottom - target.bottom),
    )
    return functional.pad(values, missing, mode="replicate") if any(missing) else values
