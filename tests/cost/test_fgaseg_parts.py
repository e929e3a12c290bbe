from __future__ import annotations

import torch
from cost.fixture_trunk import assert_near, seeded
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from ovseg_annotate.cost.align_head import AlignHead, align_loss
from ovseg_annotate.cost.local_alignment import LocalAlignment, TextKernels
from ovseg_annotate.cost.loss import Truth
from ovseg_annotate.cost.pixel_text import PixelTextTransformer, sine_positions


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


@settings(max_examples=20)
@given(count=st.integers(1, 6), start=st.integers(0, 5))
def test_a_concepts_words_do_not_depend_on_other_concepts(count: int, start: int) -> None:
    looking = seeded(lambda: PixelTextTransformer(8, 2, 2, 0.1))
    cells, text = drawn(2, 8, 3, 4), drawn(1, 6, 1, 8)
    own = slice(start, start + count)
    with torch.no_grad():
        assert_near(looking(cells, text[:, own]), looking(cells, text)[:, own])


def test_with_a_share_of_nothing_words_stay_exactly_as_they_are() -> None:
    looking = PixelTextTransformer(8, 2, 1, 0.0)
    text = drawn(1, 5, 1, 8)
    with torch.no_grad():
        assert torch.equal(looking(drawn(2, 8, 3, 3), text), text.expand(2, -1, -1, -1))


def test_the_length_of_words_only_scales_what_comes_out() -> None:
    looking = seeded(lambda: PixelTextTransformer(8, 2, 1, 0.1))
    cells, text = drawn(1, 8, 3, 3), drawn(1, 5, 1, 8)
    with torch.no_grad():
        assert_near(looking(cells, 3 * text), 3 * looking(cells, text))


def test_places_count_for_words() -> None:
    looking = seeded(lambda: PixelTextTransformer(8, 2, 1, 0.1))
    cells, text = drawn(1, 8, 3, 4), drawn(1, 2, 1, 8)
    with torch.no_grad():
        turned = looking(cells.flip(3), text)
        assert (looking(cells, text) - turned).abs().max() > 1e-4


@given(rows=st.integers(1, 9), columns=st.integers(1, 9))
def test_positions_tell_rows_and_columns_apart(rows: int, columns: int) -> None:
    places = sine_positions(8, rows, columns, torch.device("cpu"))
    assert places.shape == (8, rows, columns)
    flat = places.flatten(1).T
    distances = torch.cdist(flat, flat) + torch.eye(len(flat))
    assert distances.min() > 1e-3
    across = sine_positions(8, columns, rows, torch.device("cpu"))
    assert_near(places[:4], across[4:].transpose(1, 2))


@settings(max_examples=20)
@given(side=st.sampled_from([1, 3, 5]), softmax=st.booleans())
def test_a_kernel_of_words_is_a_weighted_sum_over_neighbours(side: int, softmax: bool) -> None:
    kernels = seeded(lambda: TextKernels(6, 4, side, softmax=softmax))
    planes, text = drawn(2, 4, 5, 3), drawn(2, 3, 1, 6)
    with torch.no_grad():
        ours = kernels(planes, text)
        made = kernels.project(text[1, 2, 0])
        weights = made[:-1].view(4, side**2)
        weights = weights.softmax(dim=1) if softmax else weights
        around = functional.unfold(planes[1:], side, padding=side // 2)[0].view(4, side**2, 5, 3)
        expected = torch.einsum("cd,cdyx->yx", weights, around) + made[-1]
    assert ours.shape == (2, 1, 3, 5, 3)
    assert_near(ours[1, 0, 2], expected)


def test_the_local_map_does_not_depend_on_lengths() -> None:
    local = seeded(lambda: LocalAlignment(6, 3, softmax=False))
    cells, text = drawn(1, 6, 4, 4), drawn(1, 3, 1, 6)
    with torch.no_grad():
        assert_near(local(5 * cells, text / 3), local(cells, text))


def test_of_one_cell_the_published_kernel_tells_nothing_but_its_shift() -> None:
    local = seeded(lambda: LocalAlignment(6, 1, softmax=True))
    with torch.no_grad():
        maps = local(drawn(1, 6, 4, 4), drawn(1, 3, 1, 6))
    between = maps - maps[:, :, :1]
    assert_near(between, between[..., :1, :1].expand_as(between))


def test_alignment_is_told_four_times_as_finely() -> None:
    head = seeded(lambda: AlignHead(8))
    with torch.no_grad():
        assert head(drawn(2, 8, 3, 5), drawn(2, 4, 1, 8)).shape == (2, 4, 12, 20)


def test_labels_are_thinned_out_for_the_alignment_and_never_blurred() -> None:
    labels = torch.arange(64).view(1, 8, 8) % 3
    logits = drawn(1, 2, 4, 4)
    whole = align_loss(logits, Truth(labels, mask_unlabelled=False))
    thinned = functional.one_hot(labels[:, ::2, ::2], 3)[..., 1:].permute(0, 3, 1, 2).float()
    expected = functional.binary_cross_entropy_with_logits(logits, thinned)
    torch.testing.assert_close(whole, expected)
