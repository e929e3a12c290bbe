"""Parity with the published criterion, matcher and semantic inference."""

from __future__ import annotations

import pytest
import torch
from engines.fixture_tower import tensors_of
from torch import Tensor

from ovseg_annotate.masks.concepts import concept_sums
from ovseg_annotate.masks.losses import (
    MaskWeights,
    dice_costs,
    dice_of,
    focal_costs,
    focal_of,
    mask_losses,
    paired,
)

NAME = "maskformer_scores_losses"
SEGMENTS = 4  # at most, in a picture of the fixture
PUBLISHED = MaskWeights(focal=20.0, dice=1.0)


def given(tensor: str) -> Tensor:
    return tensors_of(NAME)[tensor]


def labels() -> Tensor:
    return torch.stack([given(f"in.target_label_map_{picture}") for picture in (0, 1)]).long()


def assert_close(ours: Tensor, tensor: str) -> None:
    torch.testing.assert_close(ours, given(tensor).reshape(ours.shape), rtol=1e-5, atol=1e-6)


def test_marginal_sums_are_the_published_scores() -> None:
    # The class of "nothing" takes part in the softmax and is dropped then.
    shares = given("in.class_logits").softmax(dim=-1)[..., :-1]
    assert_close(concept_sums(shares, given("in.mask_logits").sigmoid()), "out.semantic")


def test_dice_and_focal_of_single_masks() -> None:
    logits, masks = given("in.pair_logits"), given("in.pair_target")
    assert_close(dice_of(logits, masks).mean(), "out.pair_dice")
    assert_close(focal_of(logits, masks).mean(), "out.pair_focal")


def test_costs_of_every_pair() -> None:
    logits, masks = given("in.pair_logits"), given("in.pair_target")[:4]
    assert_close(dice_costs(logits, masks), "out.cost_dice")
    assert_close(focal_costs(logits, masks), "out.cost_focal")


@pytest.mark.parametrize("picture", [0, 1])
def test_the_pairing_without_a_classifier(picture: int) -> None:
    pairs = paired(given("in.mask_logits"), labels(), SEGMENTS, PUBLISHED)
    own = pairs.picture == picture
    for ours, kind in ((pairs.query, "query"), (pairs.segment, "target")):
        published = given(f"out.match_masks_only_{kind}_{picture}").long()
        assert torch.equal(ours[own], published)


def test_the_losses_of_the_pairs_at_the_size_of_the_labels() -> None:
    logits = given("in.mask_logits")
    pairs = paired(logits, labels(), SEGMENTS, PUBLISHED)
    losses = mask_losses(logits, labels(), SEGMENTS, pairs)
    assert_close(losses.focal, "out.loss_mask_masks_only")
    assert_close(losses.dice, "out.loss_dice_masks_only")
