from __future__ import annotations

from itertools import permutations

import pytest
import torch
from engines.fixture_tower import tensors_of
from grouping.pgseg_fixtures import assert_relative
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import normalize

from ovseg_annotate.errors import OptionError
from ovseg_annotate.grouping.npr import NprRule, kept_rows, match, npr_loss

NAME = "npr_match_loss"
RULE = NprRule()
RELEASED = NprRule(released_quirks=True)
SCALE = torch.tensor(10.0)


def drawn(seed: int, pictures: int = 2, groups: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shape = (2, pictures, groups, 6)
    centres, prototypes = torch.randn(shape, generator=generator)
    return centres, prototypes


def test_the_loss_and_its_gradient_are_those_of_the_fixture() -> None:
    published = tensors_of(NAME)
    centres = published["in.group_centres"].clone().requires_grad_()
    loss = npr_loss(centres, published["in.prototypes"], published["in.logit_scale"][0], RULE)
    assert_relative(loss[None], published["out.corrected_loss"])
    loss.backward()  # type: ignore[no-untyped-call]
    assert centres.grad is not None
    assert_relative(centres.grad, published["out.corrected_grad_group_centres"])


def test_matches_and_kept_pairs_are_those_of_the_fixture() -> None:
    published = tensors_of(NAME)
    centres, prototypes = published["in.group_centres"], published["in.prototypes"]
    partners = match(centres, prototypes, RULE)
    assert torch.equal(partners.int(), published["out.corrected_match_index"])
    released = published["out.released_match_index"].long()
    for order, suffix in ((partners, ""), (released, "_on_released_match")):
        ordered = prototypes.gather(1, order[:, :, None].expand_as(prototypes))
        cosines = normalize(centres, dim=2) @ normalize(ordered, dim=2).mT
        kept = kept_rows(cosines, RULE.threshold).int()
        assert torch.equal(kept, published[f"out.corrected_keep_group_rows{suffix}"])


def test_the_released_behaviour_is_there_for_comparison() -> None:
    published = tensors_of(NAME)
    centres, prototypes = published["in.group_centres"], published["in.prototypes"]
    partners = match(centres, prototypes, RELEASED)
    assert torch.equal(partners.int(), published["out.released_match_index"])
    loss = npr_loss(centres, prototypes, published["in.logit_scale"][0], RELEASED)
    assert_relative(loss[None], published["out.released_loss"])


@given(seed=st.integers(0, 200))
def test_no_other_match_is_more_alike(seed: int) -> None:
    centres, prototypes = drawn(seed, pictures=1)
    cosines = normalize(centres[0], dim=1) @ normalize(prototypes[0], dim=1).T
    rows = torch.arange(4)
    best = max(float(cosines[rows, list(order)].sum()) for order in permutations(range(4)))
    found = match(centres, prototypes, RULE)[0]
    assert float(cosines[rows, found].sum()) == pytest.approx(best, abs=1e-5)


@given(seed=st.integers(0, 200))
def test_the_order_of_prototypes_does_not_matter(seed: int) -> None:
    centres, prototypes = drawn(seed)
    turned = prototypes[:, [2, 0, 3, 1]]
    torch.testing.assert_close(
        npr_loss(centres, prototypes, SCALE, RULE), npr_loss(centres, turned, SCALE, RULE)
    )


def test_groups_that_are_their_prototypes_lose_little() -> None:
    own = torch.eye(6)[None, :4]
    far = torch.ones(1, 4, 6) + 0.01 * torch.eye(6)[None, :4]
    assert float(npr_loss(own, own, SCALE, RULE)) < 0.01 < float(npr_loss(far, own, SCALE, RULE))


def test_nothing_alike_adds_nothing_instead_of_no_number() -> None:
    centres = torch.ones(1, 3, 6, requires_grad=True)  # every row's range is nothing
    loss = npr_loss(centres, torch.ones(1, 3, 6), SCALE, RULE)
    assert float(loss.detach()) == 0
    loss.backward()  # type: ignore[no-untyped-call]
    assert centres.grad is not None
    assert bool(centres.grad.isfinite().all())


def test_without_a_threshold_every_pair_counts() -> None:
    assert bool(kept_rows(-torch.eye(4)[None], 0).all())
    assert not bool(kept_rows(-torch.eye(4)[None], 0.1).any())


@pytest.mark.parametrize("threshold", [-0.1, 1.0])
def test_a_threshold_out_of_range_is_refused(threshold: float) -> None:
    with pytest.raises(OptionError, match="allowed"):
        NprRule(threshold)
