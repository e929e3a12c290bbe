"""Pairing and mask losses beyond the published numbers."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ovseg_annotate.errors import ModelError, OptionError
from ovseg_annotate.masks.clusters import segment_masks
from ovseg_annotate.masks.losses import MaskWeights, mask_losses, paired


def masks_and_labels(seed: int, segments: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 5, 6, 4, generator=generator)
    return logits, torch.randint(segments, (2, 6, 4), generator=generator)


@given(st.integers(0, 2**31))
def test_masks_without_a_segment_have_no_gradient_at_all(seed: int) -> None:
    logits, labels = masks_and_labels(seed)
    logits.requires_grad_()
    pairs = paired(logits, labels, 3)
    losses = mask_losses(logits, labels, 3, pairs)
    (losses.focal + losses.dice).backward()  # type: ignore[no-untyped-call]
    chosen = torch.zeros(2, 5, dtype=torch.bool)
    chosen[pairs.picture, pairs.query] = True
    assert logits.grad is not None
    assert (logits.grad[~chosen] == 0).all()
    assert (logits.grad[chosen].flatten(1).abs().amax(dim=1) > 0).all()


@given(st.integers(0, 2**31))
def test_every_segment_there_is_gets_one_query_of_its_own(seed: int) -> None:
    logits, labels = masks_and_labels(seed)
    pairs = paired(logits, labels, 3)
    for picture in range(2):
        own = pairs.picture == picture
        assert pairs.segment[own].sort().values.tolist() == labels[picture].unique().tolist()
        assert len(pairs.query[own].unique()) == int(own.sum())


@given(st.integers(0, 2**31), st.permutations(range(5)))
def test_the_order_of_queries_does_not_change_the_loss(seed: int, order: list[int]) -> None:
    logits, labels = masks_and_labels(seed)
    values = [
        mask_losses(some, labels, 3, paired(some, labels, 3)).dice
        for some in (logits, logits[:, order])
    ]
    torch.testing.assert_close(values[0], values[1])


def test_a_perfect_mask_costs_nothing_and_is_chosen() -> None:
    labels = torch.tensor([[[0, 0, 1, 1]] * 4])
    perfect = 40 * segment_masks(labels, 2)[:, [1, 0]] - 20
    pairs = paired(perfect, labels, 2)
    assert pairs.query.tolist() == [0, 1]
    assert pairs.segment.tolist() == [1, 0]
    losses = mask_losses(perfect, labels, 2, pairs)
    assert float(losses.focal) < 1e-6
    assert float(losses.dice) < 1e-6


def test_pixels_of_no_segment_take_no_query() -> None:
    logits, _ = masks_and_labels(0)
    nothing = torch.full((2, 6, 4), 255)
    pairs = paired(logits, nothing, 3)
    assert len(pairs.query) == 0
    assert float(mask_losses(logits, nothing, 3, pairs).dice) == 0


def test_more_segments_than_queries_leave_the_worst_ones_out() -> None:
    logits, _ = masks_and_labels(1)
    labels = torch.arange(24).view(1, 6, 4).repeat(2, 1, 1) % 8
    pairs = paired(logits, labels, 8)
    assert torch.bincount(pairs.picture).tolist() == [5, 5]


def test_masks_that_are_no_numbers_are_refused() -> None:
    logits, labels = masks_and_labels(2)
    logits[0, 0] = torch.nan
    with pytest.raises(ModelError, match="no finite numbers"):
        paired(logits, labels, 3)


@pytest.mark.parametrize(("focal", "dice"), [(-1.0, 1.0), (0.0, 0.0)])
def test_weights_out_of_range_are_refused(focal: float, dice: float) -> None:
    with pytest.raises(OptionError, match="focal"):
        MaskWeights(focal, dice)
