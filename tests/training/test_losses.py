from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ovseg_annotate.training.losses import (
    PatchRows,
    RegionStatements,
    caption_contrast,
    region_phrase_loss,
)


def rows(patches: list[int], regions: list[int], weights: list[float]) -> PatchRows:
    return PatchRows(torch.tensor(patches), torch.tensor(regions), torch.tensor(weights))


def statements(own: list[int], false: list[list[bool]]) -> RegionStatements:
    return RegionStatements(torch.tensor(own), torch.tensor(false))


@given(st.floats(-50, 50))
def test_a_true_phrase_that_is_not_the_own_one_changes_nothing(logit: float) -> None:
    similarity = torch.tensor([[2.0, 1.0, logit]])
    said = statements([0], [[False, True, False]])  # phrase 2 is true of the region as well
    loss = region_phrase_loss(similarity, rows([0], [0], [1.0]), said)
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-1.0)), rel=1e-5)


def test_a_false_phrase_that_is_stronger_costs_more() -> None:
    said = statements([0], [[False, True]])
    one = rows([0], [0], [1.0])
    weak = region_phrase_loss(torch.tensor([[2.0, 1.0]]), one, said)
    strong = region_phrase_loss(torch.tensor([[2.0, 3.0]]), one, said)
    assert strong > weak


def test_the_masked_phrase_gets_no_gradient() -> None:
    similarity = torch.tensor([[2.0, 1.0, 5.0]], requires_grad=True)
    said = statements([0], [[False, True, False]])
    region_phrase_loss(similarity, rows([0], [0], [1.0]), said).backward()
    assert similarity.grad is not None
    assert similarity.grad[0, 2] == 0
    assert similarity.grad[0, 0] < 0 < similarity.grad[0, 1]


def test_regions_of_which_nothing_is_said_take_no_part() -> None:
    similarity = torch.tensor([[2.0, 1.0], [0.0, 9.0]])
    said = statements([0, -1], [[False, True], [True, True]])
    both = region_phrase_loss(similarity, rows([0, 1], [0, 1], [1.0, 1.0]), said)
    one = region_phrase_loss(similarity, rows([0], [0], [1.0]), said)
    assert both.item() == pytest.approx(one.item())


def test_a_batch_of_which_nothing_is_said_costs_nothing_and_has_a_gradient() -> None:
    similarity = torch.zeros(1, 2, requires_grad=True)
    loss = region_phrase_loss(similarity, rows([0], [0], [1.0]), statements([-1], [[True, True]]))
    loss.backward()
    assert loss.item() == 0
    assert similarity.grad is not None


@given(st.floats(0.1, 10), st.floats(0.1, 10))
def test_patches_count_by_their_weight(first: float, second: float) -> None:
    similarity = torch.tensor([[3.0, 0.0], [0.0, 1.0]])
    said = statements([0], [[False, True]])
    mixed = region_phrase_loss(similarity, rows([0, 1], [0, 0], [first, second]), said)
    alone = [
        region_phrase_loss(similarity, rows([patch], [0], [1.0]), said).item() for patch in (0, 1)
    ]
    wanted = (first * alone[0] + second * alone[1]) / (first + second)
    assert mixed.item() == pytest.approx(wanted, rel=1e-4)


def test_pictures_with_their_own_captions_cost_less_than_with_swapped_ones() -> None:
    pictures = torch.eye(3)
    scale = torch.tensor(5.0)
    own = caption_contrast(pictures, torch.eye(3), scale)
    swapped = caption_contrast(pictures, torch.eye(3).roll(1, dims=0), scale)
    assert own < swapped
