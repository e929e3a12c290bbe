"""Refine a strip of a picture, and only where and what can change the winner."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import torch
from torch import Tensor

from ovseg_annotate.geometry import Size, Window
from ovseg_annotate.refine.options import PamrSchedule, RefineOptions
from ovseg_annotate.refine.pamr import grown_window, refined_window

_SMALLEST_BLOCK = 128  # px: below, the calls cost more than the numbers


@torch.no_grad()
def refine_strip(probabilities: Tensor, guide: Tensor, options: RefineOptions) -> Tensor:
    """Sharpen the borders of a strip; what lies within `options.halo` of a cut is not final.

    probabilities (k, h, w) float32 from 0 to 1, guide (3, h, w) float32 from 0 to 1 at the same
    size. The work goes block by block. In each, a concept that cannot win keeps its numbers, and
    a block with one possible winner is left as it is: the strongest concept of every pixel is the
    same as if everything had been computed, which `options.every_concept` does.
    """
    if probabilities.shape[1:] != guide.shape[1:] or probabilities.ndim != 3:
        raise ValueError(
            f"scores {tuple(probabilities.shape)} and guide {tuple(guide.shape)} differ in size"
        )
    schedule = options.schedule
    if schedule is None:
        return probabilities
    refined = probabilities.clone()
    blocks = list(_blocks(Size(*probabilities.shape[1:]), schedule))
    # Many short calls: blocks side by side use the cores better than torch's split of each call.
    workers = min(len(blocks), torch.get_num_threads()) if refined.device.type == "cpu" else 1
    refine = partial(
        _refine_block, refined, probabilities, guide, schedule, every_concept=options.every_concept
    )
    if workers == 1:
        for block in blocks:
            refine(block)
        return refined
    with ThreadPoolExecutor(workers) as pool:
        done = [pool.submit(refine, block) for block in blocks]
    for each in done:
        each.result()
    return refined


@torch.inference_mode()  # the mode of the caller does not reach other threads
def _refine_block(
    refined: Tensor,
    probabilities: Tensor,
    guide: Tensor,
    schedule: PamrSchedule,
    block: Window,
    *,
    every_concept: bool,
) -> None:
    """Fill one block of `refined`; blocks do not overlap, so they may run at the same time."""
    around = grown_window(block, schedule.halo, Size(*probabilities.shape[1:]))
    near = probabilities[:, *around.slices]
    rivals = list(range(len(near))) if every_concept else _possible_winners(near)
    if len(rivals) == 1 and not every_concept:
        return
    inside = Window(block.top - around.top, block.left - around.left, block.height, block.width)
    refined[rivals, *block.slices] = refined_window(
        near[rivals], guide[:, *around.slices], inside, schedule
    )


def _blocks(size: Size, schedule: PamrSchedule) -> Iterator[Window]:
    side = max(_SMALLEST_BLOCK, 4 * schedule.halo)
    for top in range(0, size.height, side):
        for left in range(0, size.width, side):
            yield Window(top, left, min(side, size.height - top), min(side, size.width - left))


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
