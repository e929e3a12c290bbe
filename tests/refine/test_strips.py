from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from refine.plain_pamr import plain_pamr
from torch import Tensor
from torch.nn import functional

from ovseg_annotate.errors import OptionError
from ovseg_annotate.options import read_options
from ovseg_annotate.refine.options import PamrSchedule, RefineOptions
from ovseg_annotate.refine.strips import refine_strip

SNAP = RefineOptions("snap")
DENOISE = RefineOptions("denoise")


def picture(
    height: int, width: int, concepts: int, certainty: float = 4.0, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Smooth probabilities as an enlarged coarse grid gives them, and a picture of even areas."""
    generator = torch.Generator().manual_seed(seed)
    cells = (1, concepts, height // 16 + 2, width // 16 + 2)
    logits = torch.randn(cells, generator=generator) * certainty
    scores = functional.interpolate(logits, (height, width), mode="bilinear")[0].softmax(0)
    colours = torch.rand((1, 3, height // 24 + 2, width // 24 + 2), generator=generator)
    guide = functional.interpolate(colours, (height, width), mode="nearest")[0]
    noise = torch.rand(guide.shape, generator=generator) * 0.1
    return scores.contiguous(), (guide * 0.9 + noise).contiguous()


@settings(deadline=None, max_examples=20)
@given(
    seed=st.integers(0, 2**16),
    height=st.integers(1, 180),
    width=st.integers(1, 180),
    concepts=st.integers(1, 7),
    certainty=st.sampled_from([0.5, 2.0, 8.0]),
)
def test_leaving_out_what_cannot_win_changes_no_winner(
    seed: int, height: int, width: int, concepts: int, certainty: float
) -> None:
    scores, guide = picture(height, width, concepts, certainty, seed)
    quick = refine_strip(scores, guide, SNAP)
    full = refine_strip(scores, guide, RefineOptions("snap", every_concept=True))
    ahead = full.topk(min(2, concepts), dim=0).values
    is_no_tie = (ahead[0] - ahead[-1] > 1e-5) | (concepts == 1)
    assert (quick.argmax(0) == full.argmax(0))[is_no_tie].all()


@pytest.mark.parametrize("schedule", ["snap", "denoise"])
def test_every_concept_gives_the_published_numbers(schedule: str) -> None:
    options = RefineOptions(schedule, every_concept=True)  # type: ignore[arg-type]
    scores, guide = picture(90, 150, 4)
    assert options.schedule is not None
    expected = plain_pamr(
        scores.double().numpy(),
        guide.double().numpy(),
        options.schedule.iterations,
        options.schedule.dilations,
    )
    np.testing.assert_allclose(refine_strip(scores, guide, options).numpy(), expected, atol=2e-5)


@pytest.mark.parametrize(("options", "height"), [(SNAP, 300), (DENOISE, 450)])
def test_strips_with_a_halo_equal_the_whole_picture(options: RefineOptions, height: int) -> None:
    every = RefineOptions(options.method, every_concept=True)
    scores, guide = picture(height, 30, 2)
    whole = refine_strip(scores, guide, every)
    strips = []
    rows = 150
    for top in range(0, height, rows):
        above = max(0, top - options.halo)
        below = top + rows + options.halo
        strip = refine_strip(scores[:, above:below], guide[:, above:below], every)
        strips.append(strip[:, top - above : top - above + rows])
    torch.testing.assert_close(torch.cat(strips, dim=1), whole, atol=1e-6, rtol=0)


def test_a_halo_one_pixel_short_is_not_enough() -> None:
    schedule = SNAP.schedule
    assert schedule is not None
    scores, guide = torch.zeros(1, 64, 8), torch.zeros(3, 64, 8)
    scores[0, 32 - schedule.halo] = 1.0
    every = RefineOptions("snap", every_concept=True)
    whole = refine_strip(scores, guide, every)[0, 32]
    short = refine_strip(scores[:, 33 - SNAP.halo :], guide[:, 33 - SNAP.halo :], every)
    assert not torch.allclose(short[0, SNAP.halo - 1], whole)


def test_none_returns_the_scores_as_they_are() -> None:
    scores, guide = picture(20, 30, 3)
    assert refine_strip(scores, guide, RefineOptions("none")) is scores


def test_a_block_with_one_possible_winner_is_left_alone() -> None:
    _, guide = picture(100, 100, 2)
    noise = torch.rand(100, 100) * 0.4
    scores = torch.stack([1 - noise, noise])
    assert torch.equal(refine_strip(scores, guide, SNAP), scores)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**16), height=st.integers(1, 160), width=st.integers(1, 160))
def test_a_pixel_near_a_border_is_refined_and_one_far_from_all_is_left(
    seed: int, height: int, width: int
) -> None:
    scores, guide = picture(height, width, 2, 8.0, seed)
    quick = refine_strip(scores, guide, SNAP)
    full = refine_strip(scores, guide, RefineOptions("snap", every_concept=True))
    first = (scores[0] > scores[1]).float()[None, None]
    reach = 2 * SNAP.halo + 1
    sees_first = functional.max_pool2d(first, reach, 1, SNAP.halo)[0, 0] > 0
    sees_second = functional.max_pool2d(1 - first, reach, 1, SNAP.halo)[0, 0] > 0
    near = sees_first & sees_second
    torch.testing.assert_close(quick[:, near], full[:, near], atol=1e-6, rtol=0)
    is_left = (quick == scores).all(0)
    if not near.any():
        assert is_left.all()
    rows, columns = near.any(1).nonzero()[:, 0], near.any(0).nonzero()[:, 0]
    if len(rows) and max(height, width) <= 128:  # one block, so one rectangle
        inside = torch.zeros_like(near)
        above, before = max(0, int(rows[0]) - 1), max(0, int(columns[0]) - 1)
        inside[above : rows[-1] + 2, before : columns[-1] + 2] = True  # a border has two sides
        assert is_left[~inside].all()


@pytest.mark.parametrize("method", ["snap", "denoise"])
def test_an_even_picture_gives_no_nan(method: str) -> None:
    scores, _ = picture(60, 80, 3)
    refined = refine_strip(scores, torch.full((3, 60, 80), 0.5), RefineOptions(method))  # type: ignore[arg-type]
    assert refined.isfinite().all()


def test_refined_probabilities_stay_probabilities() -> None:
    scores, guide = picture(140, 90, 5)
    refined = refine_strip(scores, guide, RefineOptions("snap", every_concept=True))
    assert refined.min() >= 0
    torch.testing.assert_close(refined.sum(0), torch.ones(140, 90))


@pytest.mark.parametrize("size", [(1, 1), (1, 200), (200, 1), (3, 5)])
def test_the_thinnest_strips_are_refined(size: tuple[int, int]) -> None:
    scores = torch.rand(3, *size)
    for options in (SNAP, DENOISE):
        assert refine_strip(scores, torch.rand(3, *size), options).shape == scores.shape


def test_the_number_of_threads_changes_no_bit() -> None:
    scores, guide = picture(260, 300, 4)
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            results.append(refine_strip(scores, guide, SNAP))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*results)


def test_a_guide_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="differ in size"):
        refine_strip(torch.rand(2, 9, 9), torch.rand(3, 9, 8), SNAP)


def test_the_halo_follows_from_the_schedule() -> None:
    assert [RefineOptions(name).halo for name in ("none", "snap", "denoise")] == [0, 12, 160]  # type: ignore[arg-type]
    assert PamrSchedule(2, (3, 7)).halo == 14


def test_an_unknown_method_is_refused_with_those_there_are() -> None:
    with pytest.raises(OptionError, match="snap"):
        RefineOptions("sharpen")  # type: ignore[arg-type]
    assert read_options(RefineOptions, {"method": "denoise"}) == DENOISE


def test_reading_the_options_imports_no_torch() -> None:
    code = "import sys, ovseg_annotate.refine.options; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
