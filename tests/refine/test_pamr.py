from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from refine.plain_pamr import plain_pamr
from safetensors.torch import load_file
from torch.nn import functional

from ovseg_annotate.geometry import Window
from ovseg_annotate.refine.options import PamrSchedule
from ovseg_annotate.refine.pamr import refined_window

FIXTURES = Path(__file__).parents[1] / "fixtures"


@pytest.mark.parametrize(
    ("expected", "scores", "dilations"),
    [
        ("out.refined_0", "in.mask", (1, 2, 4)),
        ("out.refined_1", "in.mask", (8, 16)),
        ("out.refined_low_0", "in.mask_low", (1, 2, 4)),
    ],
)
def test_the_published_numbers_are_met(
    expected: str, scores: str, dilations: tuple[int, ...]
) -> None:
    tensors = load_file(FIXTURES / "pamr.safetensors")
    tolerance = json.loads((FIXTURES / "pamr.json").read_text())["tolerance"]
    images = tensors["in.image"]
    enlarged = functional.interpolate(
        tensors[scores], size=images.shape[2:], mode="bilinear", align_corners=True
    )
    whole = Window(0, 0, *images.shape[2:])
    refined = torch.stack(
        [
            refined_window(mask, image, whole, PamrSchedule(10, dilations))
            for mask, image in zip(enlarged, images, strict=True)
        ]
    )
    torch.testing.assert_close(
        refined, tensors[expected], atol=tolerance["atol"], rtol=tolerance["rtol"]
    )


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**16),
    height=st.integers(1, 24),
    width=st.integers(1, 24),
    iterations=st.integers(1, 4),
    dilations=st.sampled_from([(1,), (2,), (1, 2, 4), (3, 5)]),
)
def test_any_window_equals_that_part_of_the_whole_picture(
    seed: int, height: int, width: int, iterations: int, dilations: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.random((3, height, width))
    guide = rng.integers(0, 4, (3, height, width)) / 255
    top, left = int(rng.integers(height)), int(rng.integers(width))
    core = Window(
        top, left, int(rng.integers(1, height - top + 1)), int(rng.integers(1, width - left + 1))
    )
    refined = refined_window(
        torch.from_numpy(scores).float(),
        torch.from_numpy(guide).float(),
        core,
        PamrSchedule(iterations, dilations),
    )
    expected = plain_pamr(scores, guide, iterations, dilations)
    rows, columns = core.slices
    np.testing.assert_allclose(refined.numpy(), expected[:, rows, columns], atol=2e-5)


def test_an_even_guide_gives_the_mean_of_the_neighbours_and_no_nan() -> None:
    scores = torch.zeros(1, 9, 9)
    scores[0, 4, 4] = 1.0
    refined = refined_window(
        scores, torch.full((3, 9, 9), 0.3), Window(0, 0, 9, 9), PamrSchedule(1, (1,))
    )
    assert refined[0, 4, 4] == 0
    torch.testing.assert_close(refined[0, 3:6, 3:6].sum(), torch.tensor(1.0))
    torch.testing.assert_close(refined[0, 3, 3], torch.tensor(1 / 8))


def test_a_border_moves_to_the_edge_of_the_picture() -> None:
    guide = torch.zeros(3, 16, 40)
    guide[:, :, 20:] = 1.0
    left = torch.linspace(1.42, -0.18, 40).clamp(0, 1).expand(16, 40)
    scores = torch.stack([left, 1 - left])
    refined = refined_window(scores, guide, Window(0, 0, 16, 40), PamrSchedule(3, (1, 2, 4)))
    before = (scores[0] > scores[1]).sum(1)
    after = (refined[0] > refined[1]).sum(1)
    assert (before == 23).all()
    assert (after == 20).all()


def test_the_inputs_are_left_alone() -> None:
    scores, guide = torch.rand(2, 20, 20), torch.rand(3, 20, 20)
    kept = scores.clone(), guide.clone()
    refined_window(scores, guide, Window(0, 0, 20, 20), PamrSchedule(2, (1, 2)))
    assert torch.equal(scores, kept[0])
    assert torch.equal(guide, kept[1])
