"""Pictures and texts that find one another."""

from __future__ import annotations

import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from ovseg_annotate.masks.contrast import picture_text_contrast

SCALE = torch.tensor(10.0)


def test_pairs_that_agree_cost_less_than_pairs_that_do_not() -> None:
    rows = torch.eye(4)
    assert picture_text_contrast(rows, rows, SCALE) < 0.01
    assert picture_text_contrast(rows, rows.roll(1, 0), SCALE) > 10


def test_nothing_learnt_costs_the_logarithm_of_the_batch_twice() -> None:
    rows = torch.ones(5, 3)
    expected = torch.tensor(2 * math.log(5))
    torch.testing.assert_close(picture_text_contrast(rows, rows, SCALE), expected)
    half = picture_text_contrast(rows, rows, SCALE, "half")
    torch.testing.assert_close(half, expected / 2)


@given(st.integers(0, 2**31), st.floats(0.1, 50))
def test_lengths_do_not_count(seed: int, factor: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    pictures, texts = torch.randn(2, 6, 8, generator=generator)
    torch.testing.assert_close(
        picture_text_contrast(pictures * factor, texts, SCALE),
        picture_text_contrast(pictures, texts / factor, SCALE),
    )
