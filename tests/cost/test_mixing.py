from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from cost.fixture_trunk import TINY, assert_near, seeded
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from ovseg_annotate.cost.mixing import ConceptMixing
from ovseg_annotate.cost.options import TrunkOptions


def mixing_of(**switches: int) -> ConceptMixing:
    return seeded(lambda: ConceptMixing(TINY, TrunkOptions(**switches)))


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def plainly_mixed(mixing: ConceptMixing, chunk: Tensor, guide: Tensor, padded_to: int) -> Tensor:
    """By a table of weights between all concepts, padding written out; no pooling."""
    windows, concepts, rows, columns, _ = chunk.shape
    pads = max(padded_to - concepts, 0)
    tokens = chunk
    words = guide[:, :, None, None].expand(windows, -1, rows, columns, -1)
    if pads:
        pad = mixing.pad_token[:, :, None, None].expand(windows, pads, rows, columns, -1)
        pad_words = mixing.pad_guide[:, :, None, None].expand(windows, pads, rows, columns, -1)
        tokens, words = torch.cat([tokens, pad], dim=1), torch.cat([words, pad_words], dim=1)
    normed = mixing.norm1(tokens)
    both = torch.cat([normed, words], dim=-1)
    queries, keys = (
        (functional.elu(layer(both)) + 1).reshape(*tokens.shape[:4], mixing.heads, -1)
        for layer in (mixing.queries, mixing.keys)
    )
    values = mixing.values(normed).reshape(*tokens.shape[:4], mixing.heads, -1)
    weights = torch.einsum("bnyxhd,bmyxhd->byxhnm", queries, keys)
    shares = weights / (weights.sum(dim=-1, keepdim=True) + 1e-6)
    mixed = torch.einsum("byxhnm,bmyxhd->bnyxhd", shares, values).flatten(4)
    tokens = tokens + mixed
    tokens = tokens + mixing.rest(mixing.norm2(tokens))
    return chunk + tokens[:, :concepts]


@settings(max_examples=30)
@given(concepts=st.integers(1, 8), padded_to=st.integers(0, 12))
def test_counted_padding_equals_padding_written_out(concepts: int, padded_to: int) -> None:
    mixing = mixing_of(padded_to=padded_to)
    chunk, guide = drawn(2, concepts, 3, 4, TINY.hidden), drawn(1, concepts, TINY.text_guide)
    with torch.no_grad():
        (ours,) = mixing([chunk], guide)
        assert_near(ours, plainly_mixed(mixing, chunk, guide, padded_to))


def test_padding_changes_the_answer_so_that_it_cannot_be_left_out() -> None:
    mixing = mixing_of(padded_to=12)
    chunk, guide = drawn(1, 2, 3, 3, TINY.hidden), drawn(1, 2, TINY.text_guide)
    with torch.no_grad():
        (ours,) = mixing([chunk], guide)
        without = plainly_mixed(mixing, chunk, guide, padded_to=0)
    assert (ours - without).abs().max() > 1e-2


@given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=5), pool=st.sampled_from([1, 2]))
def test_chunks_of_any_size_give_the_same_answer(sizes: list[int], pool: int) -> None:
    mixing = mixing_of(padded_to=9, pool=pool)
    concepts = sum(sizes)
    chunk, guide = drawn(2, concepts, 4, 5, TINY.hidden), drawn(2, concepts, TINY.text_guide)
    with torch.no_grad():
        (whole,) = mixing([chunk], guide)
        parts = torch.cat(list(mixing(torch.split(chunk, sizes, dim=1), guide)), dim=1)
    assert_near(parts, whole)


def test_the_order_of_concepts_does_not_matter() -> None:
    mixing = mixing_of(padded_to=8)
    chunk, guide = drawn(1, 5, 2, 2, TINY.hidden), drawn(1, 5, TINY.text_guide)
    order = torch.tensor([3, 0, 4, 2, 1])
    with torch.no_grad():
        (ours,) = mixing([chunk], guide)
        (turned,) = mixing([chunk[:, order]], guide[:, order])
    assert_near(turned, ours[:, order])


def test_chunks_are_let_go_of_one_by_one() -> None:
    mixing = mixing_of(padded_to=0)
    alive: list[int] = []

    def counted() -> Iterator[Tensor]:
        for number in range(4):
            alive.append(number)
            yield drawn(1, 1, 2, 2, TINY.hidden)

    answers = mixing(counted(), drawn(1, 4, TINY.text_guide))
    assert not alive  # nothing happens before somebody asks
    next(answers)
    assert alive == [0, 1, 2, 3]  # all of them are needed for the first answer


def test_pooling_keeps_the_border_of_an_odd_grid() -> None:
    mixing = mixing_of(padded_to=0, pool=2)
    chunk, guide = drawn(1, 2, 5, 5, TINY.hidden), drawn(1, 2, TINY.text_guide)
    other = chunk.clone()
    other[0, 0, 4, 4, 0] += 1  # of one number: shifting all would be normalised away
    with torch.no_grad():
        (ours,), (changed,) = mixing([chunk], guide), mixing([other], guide)
    assert (ours - changed)[0, 1].abs().max() > 0  # the other concept has seen it


def test_training_pools_by_its_own_measure() -> None:
    mixing = mixing_of(padded_to=0, pool=1, training_pool=2)
    chunk, guide = drawn(1, 2, 4, 4, TINY.hidden), drawn(1, 2, TINY.text_guide)
    same = mixing_of(padded_to=0, pool=2)
    with torch.no_grad():
        (trained,) = mixing.train()([chunk], guide)
        (pooled,) = same([chunk], guide)
    assert torch.equal(trained, pooled)


def test_chunks_that_do_not_fit_the_guide_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="a guide for 3 concepts and chunks of 2"):
        list(mixing_of()([drawn(1, 2, 2, 2, TINY.hidden)], drawn(1, 3, TINY.text_guide)))
