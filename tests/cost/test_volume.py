from __future__ import annotations

import pytest
import torch
from cost.fixture_trunk import assert_near
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import cosine_similarity

from ovseg_annotate.cost.volume import REJECTED, cost_volume, only_strongest
from ovseg_annotate.errors import ModelError


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def test_costs_are_cosines_whatever_the_lengths() -> None:
    cells, text = drawn(2, 5, 3, 4), drawn(1, 6, 2, 5)
    cost = cost_volume(cells * 7, text * 0.1)
    assert cost.shape == (2, 2, 6, 3, 4)
    expected = cosine_similarity(cells[1, :, 2, 3], text[0, 4, 1], dim=0)
    torch.testing.assert_close(cost[1, 1, 4, 2, 3], expected)
    assert cost.abs().max() <= 1 + 1e-6


@pytest.mark.parametrize("shape", [(6, 2, 5), (1, 6, 2, 4)])
def test_text_of_another_space_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match="do not meet"):
        cost_volume(drawn(2, 5, 3, 4), drawn(*shape))


@given(concepts=st.integers(1, 9), keep=st.integers(0, 10))
def test_each_window_keeps_its_own_highest_peaks(concepts: int, keep: int) -> None:
    cost, text = drawn(3, 2, concepts, 2, 2), drawn(1, concepts, 2, 4)
    asked: list[tuple[Tensor, Tensor]] = []

    def refine(some: Tensor, words: Tensor) -> Tensor:
        asked.append((some, words))
        return some.amax(dim=1)

    logits = only_strongest(cost, text, keep, refine)
    ((some, words),) = asked
    kept = concepts if keep in (0, 10) else min(keep, concepts)
    assert some.shape[2] == words.shape[1] == kept
    peaks = cost.amax(dim=(1, 3, 4))
    least = peaks.sort(dim=1, descending=True).values[:, kept - 1 : kept]
    expected = torch.where((peaks >= least)[:, :, None, None], cost.amax(dim=1), REJECTED)
    assert torch.equal(logits, expected)


def test_words_stay_with_their_costs() -> None:
    cost = torch.tensor([0.1, 0.9, 0.5]).view(1, 1, 3, 1, 1)
    text = torch.arange(3.0).view(1, 3, 1, 1)
    answer = only_strongest(cost, text, 2, lambda some, words: words[:, :, 0, 0, None, None])
    assert answer.flatten().tolist() == [REJECTED, 1.0, 2.0]


def test_gradients_pass_the_choice() -> None:
    cost = drawn(1, 1, 4, 2, 2).requires_grad_()
    only_strongest(cost, drawn(1, 4, 1, 3), 2, lambda some, _: some[:, 0]).sum().backward()
    assert cost.grad is not None
    assert cost.grad.sum() == 2 * 4


def test_near_is_not_just_anything() -> None:
    with pytest.raises(AssertionError):
        assert_near(torch.tensor([1.0, 1.1]), torch.tensor([1.0, 1.0]))
