from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from ovseg_annotate.grouping.affinity import chances, hard_cells, spread, strongest_only


@given(concepts=st.integers(1, 9), top=st.integers(0, 10), seed=st.integers(0, 99))
def test_only_the_strongest_concepts_of_a_window_have_a_chance(
    concepts: int, top: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    groups = torch.randn(2, 3, concepts, generator=generator)
    whole = torch.randn(2, concepts, generator=generator)
    possible = strongest_only(groups, whole, top).isfinite().all(dim=1)
    wanted = min(top, concepts) or concepts
    assert possible.sum(dim=1).tolist() == [wanted, wanted]
    assert bool(
        (
            whole.masked_fill(~possible, torch.inf).amin(1)
            >= whole.masked_fill(possible, -torch.inf).amax(1)
        ).all()
    )


@given(top=st.integers(0, 5), seed=st.integers(0, 99))
def test_chances_are_the_published_product_divided_by_its_sum(top: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    groups = 3 * torch.randn(2, 3, 5, generator=generator)
    whole = torch.randn(2, 5, generator=generator)
    product = strongest_only(groups, whole, top).softmax(dim=2) * groups.softmax(dim=2)
    torch.testing.assert_close(
        chances(groups, whole, top), product / product.sum(dim=2, keepdim=True)
    )


def test_a_group_whose_own_concept_is_not_among_the_strongest_has_chances_all_the_same() -> None:
    groups = torch.tensor([[[200.0, -200.0, -190.0]]])  # a product of two softmaxes is nothing
    answer = chances(groups, torch.tensor([[0.0, 2.0, 1.0]]), 2)
    assert answer[0, 0, 0] == 0
    torch.testing.assert_close(answer.sum(), torch.tensor(1.0))


def test_a_place_says_what_its_group_says() -> None:
    shares = torch.tensor([[[[0.6, 0.1]], [[0.4, 0.9]]]])  # (1, groups, 1, 2)
    says = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    assert spread(says, hard_cells(shares)).tolist() == [[[[1.0, 0.0]], [[0.0, 1.0]]]]
    torch.testing.assert_close(spread(says, shares), shares)
