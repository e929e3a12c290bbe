"""From queries to concepts at every cell."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ovseg_annotate.masks.concepts import Combine, concept_shares, concept_sums

BOTH: tuple[Combine, ...] = ("marginal", "hard")


@given(st.integers(0, 2**31), st.sampled_from(BOTH))
def test_shares_sum_to_one_at_every_cell(seed: int, combine: Combine) -> None:
    generator = torch.Generator().manual_seed(seed)
    shares = torch.randn(2, 4, 3, generator=generator).softmax(dim=-1)
    masks = torch.rand(2, 4, 5, 6, generator=generator) ** 8
    answer = concept_shares(shares, masks, combine)
    assert answer.shape == (2, 3, 5, 6)
    torch.testing.assert_close(answer.sum(dim=1), torch.ones(2, 5, 6))


@given(st.integers(0, 2**31))
def test_shares_rank_concepts_as_the_published_sums_do(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    shares = torch.randn(1, 4, 3, generator=generator).softmax(dim=-1)
    masks = torch.rand(1, 4, 5, 6, generator=generator)
    answer, published = concept_shares(shares, masks, "marginal"), concept_sums(shares, masks)
    torch.testing.assert_close(answer * masks.sum(dim=1, keepdim=True), published)


def test_the_strongest_mask_speaks_alone() -> None:
    shares = torch.tensor([[[0.9, 0.1], [0.2, 0.8]]])
    masks = torch.tensor([[[[0.6, 0.1]], [[0.5, 0.2]]]])
    hard = concept_shares(shares, masks, "hard")
    torch.testing.assert_close(hard[0, :, 0], torch.tensor([[0.9, 0.2], [0.1, 0.8]]))


@pytest.mark.parametrize("combine", BOTH)
def test_a_cell_that_nothing_covers_still_has_shares(combine: Combine) -> None:
    shares = torch.tensor([[[0.9, 0.1], [0.2, 0.8]]])
    answer = concept_shares(shares, torch.zeros(1, 2, 3, 3), combine)
    assert bool(answer.isfinite().all())
    torch.testing.assert_close(answer.sum(dim=1), torch.ones(1, 3, 3))
