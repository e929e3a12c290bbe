from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from ovseg_annotate.cost.loss import Truth, pixel_loss


def case(seed: int, concepts: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = 5 * torch.randn(2, concepts, 3, 4, generator=generator)
    return logits, torch.randint(0, concepts + 1, (2, 6, 8), generator=generator)


def one_hot(labels: Tensor, concepts: int) -> Tensor:
    return functional.one_hot(labels, concepts + 1)[..., 1:].permute(0, 3, 1, 2).float()


@given(seed=st.integers(0, 10_000), concepts=st.integers(1, 6))
def test_the_loss_is_cross_entropy_against_one_true_concept(seed: int, concepts: int) -> None:
    logits, labels = case(seed, concepts)
    large = functional.interpolate(logits, (6, 8), mode="bilinear")
    expected = functional.binary_cross_entropy_with_logits(large, one_hot(labels, concepts))
    torch.testing.assert_close(pixel_loss(logits, Truth(labels, mask_unlabelled=False)), expected)


@given(seed=st.integers(0, 10_000), concepts=st.integers(1, 6))
def test_masked_it_is_the_mean_over_labelled_pixels(seed: int, concepts: int) -> None:
    logits, labels = case(seed, concepts)
    labels[0, 0, 0] = 1
    large = functional.interpolate(logits, (6, 8), mode="bilinear").permute(0, 2, 3, 1)
    truth = one_hot(labels, concepts).permute(0, 2, 3, 1)
    labelled = labels > 0
    expected = functional.binary_cross_entropy_with_logits(large[labelled], truth[labelled])
    torch.testing.assert_close(pixel_loss(logits, Truth(labels, mask_unlabelled=True)), expected)


def test_what_nobody_labelled_teaches_nothing() -> None:
    logits = torch.randn(1, 2, 4, 4, requires_grad=True)
    loss = pixel_loss(logits, Truth(torch.zeros(1, 8, 8, dtype=torch.long), mask_unlabelled=True))
    loss.backward()
    assert loss.item() == 0.0
    assert logits.grad is not None
    assert not bool(logits.grad.any())


def test_sure_mistakes_stay_finite() -> None:
    logits = torch.tensor([-200.0, 200.0]).view(1, 2, 1, 1)
    loss = pixel_loss(logits, Truth(torch.ones(1, 2, 2, dtype=torch.long), mask_unlabelled=False))
    assert loss.item() == 200.0
