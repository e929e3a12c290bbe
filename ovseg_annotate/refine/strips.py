"""Refine a strip of a picture, and only where and what can change the winner."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ovseg_annotate.geometry import Size, Window
from ovseg_annotate.refine.kept_weights import StripWeights
from ovseg_annotate.refine.options import PamrSchedule, RefineOptions
from ovseg_annotate.refine.pamr import (
    Weights,
    grown_window,
    part_of_weights,
    weighted_window,
    window_weights,
)

_SMALLEST_BLOCK = 256  # px: below, the calls cost more than the numbers


@torch.no_grad()
def refine_strip(
    probabilities: Tensor,
    guide: Tensor,
    options: RefineOptions,
    kept: StripWeights | None = None,
) -> Tensor:
    """Sharpen the borders of a strip; what lies within `options.halo` of a cut is not final.

    probabilities (k, h, w) float32 from 0 to 1, guide (3, h, w) uint8, or float32 from 0 to 1, at
    the same size. The work goes block by block. In each, a concept that cannot win keeps its
    numbers, and so do pixels that see one winner only as far as refinement reaches: the strongest
    concept of every pixel is the same as if everything had been computed, which
    `options.every_concept` does. Weights that are kept are not computed again.
    """
    if probabilities.shape[1:] != guide.shape[1:] or probabilities.ndim != 3:
        raise ValueError(
            f"scores {tuple(probabilities.shape)} and guide {tuple(guide.shape)} differ in size"
        )
    schedule = options.schedule
    if schedule is None:
        return probabilities
    refined = probabilities.clone()
    strip = _Strip(probabilities, guide, schedule, kept)
    for block in _blocks(Size(*probabilities.shape[1:]), schedule):
        _refine_block(refined, strip, block, every_concept=options.every_concept)
    return refined


@dataclass(frozen=True, slots=True, eq=False)
class _Strip:
    """What there is to refine, and by what."""

    probabilities: Tensor  # (k, h, w)
    guide: Tensor  # (3, h, w) uint8, or float32 from 0 to 1
    schedule: PamrSchedule
    kept: StripWeights | None

    def weights(self, core: Window, block: Window) -> Weights:
        """Those of a rectangle in a block; weights that are kept are those of whole blocks.

        So other words, which contest other parts of a block, find them.
        """
        if self.kept is None:
            return self._made(core)
        whole = self.kept.weights(block, self.schedule, lambda: self._made(block))
        return part_of_weights(whole, block, core, self.schedule)

    def _made(self, core: Window) -> Weights:
        around, inside = self.surroundings(core)
        guide = self.guide[:, *around.slices]
        if not guide.is_floating_point():
            guide = guide.contiguous().float().div_(255.0)
        return window_weights(guide, inside, self.schedule)

    def surroundings(self, core: Window) -> tuple[Window, Window]:
        """A rectangle with its halo, and where in it the rectangle lies."""
        around = grown_window(core, self.schedule.halo, Size(*self.guide.shape[1:]))
        inside = Window(core.top - around.top, core.left - around.left, core.height, core.width)
        return around, inside


def _refine_block(refined: Tensor, strip: _Strip, block: Window, *, every_concept: bool) -> None:
    """Fill one block of `refined`."""
    probabilities, schedule = strip.probabilities, strip.schedule
    rivals = list(range(len(probabilities)))
    size = Size(*probabilities.shape[1:])
    core: Window | None = block
    if not every_concept:
        around = grown_window(block, schedule.halo, size)
        near = probabilities[:, *around.slices]
        rivals = _possible_winners(near)
        if len(rivals) == 1:
            return
        core = _contested(_winners(near, rivals), around, block, schedule.halo)
    if core is None:
        return
    around, inside = strip.surroundings(core)
    refined[rivals, *core.slices] = weighted_window(
        probabilities[rivals, *around.slices], strip.weights(core, block), inside, schedule
    )


def _winners(near: Tensor, rivals: list[int]) -> Tensor:
    """Which rival leads, (h, w); many times faster than an argmax over the first axis."""
    best = near[rivals[0]]
    winners = torch.zeros(best.shape, dtype=torch.int32, device=near.device)
    for place, rival in enumerate(rivals[1:], start=1):
        winners.masked_fill_(near[rival] > best, place)
        best = torch.maximum(best, near[rival])
    return winners


def _contested(winners: Tensor, around: Window, block: Window, halo: int) -> Window | None:
    """The part of a block where averaging can change the winner; None where it nowhere can.

    `winners` (h, w) are the strongest concepts of the window `around`, which is the block with its
    halo. A pixel that sees one winner only as far as the halo reaches keeps it.
    """
    across, below = winners[:, 1:] != winners[:, :-1], winners[1:] != winners[:-1]
    rows = _touched(across.any(dim=1), below.any(dim=1))
    columns = _touched(below.any(dim=0), across.any(dim=0))
    if not rows:
        return None
    top = max(block.top, around.top + rows[0] - halo)
    left = max(block.left, around.left + columns[0] - halo)
    bottom = min(block.bottom, around.top + rows[-1] + 1 + halo)
    right = min(block.right, around.left + columns[-1] + 1 + halo)
    return Window(top, left, bottom - top, right - left)


def _touched(within: Tensor, between: Tensor) -> list[int]:
    """The lines with a border within them, (n,), or to their neighbour, (n - 1,)."""
    touched = within.clone()
    touched[1:] |= between
    touched[:-1] |= between
    numbers: list[int] = touched.nonzero()[:, 0].tolist()
    return numbers


def _blocks(size: Size, schedule: PamrSchedule) -> Iterator[Window]:
    """Wider than high: rows are one line, and the halos beside them cost as much as pixels."""
    height = max(_SMALLEST_BLOCK, 4 * schedule.halo)
    width = 2 * height
    for top in range(0, size.height, height):
        for left in range(0, size.width, width):
            yield Window(top, left, min(height, size.height - top), min(width, size.width - left))


def _possible_winners(near: Tensor) -> list[int]:
    """The concepts that can be the strongest somewhere in a block after averaging.

    `near` (k, h, w) is the block with its halo. Every refined score is a mean of scores in it. So
    the strongest of the n leading concepts ends up with at least an n-th of their smallest joint
    score, and a concept that stays below that everywhere cannot pass it.
    """
    largest = near.amax(dim=(1, 2))
    order = largest.argsort(descending=True)
    ranked = largest[order].tolist()
    numbers: list[int] = order.tolist()
    joint = near[numbers[0]].clone()
    if bool((joint >= near.amax(dim=0)).all()):
        return numbers[:1]
    for count in range(1, len(numbers)):
        if ranked[count] < float(joint.min()) / count:
            return numbers[:count]
        joint += near[numbers[count]]
    return numbers
