from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ovseg_annotate.text import similar
from ovseg_annotate.text.bank import TextBank
from ovseg_annotate.text.similar import near_duplicates
from ovseg_annotate.vocabulary import Vocabulary


def bank(text: str, *angles: float) -> TextBank:
    """Vectors in a plane, so that a cosine is that of a difference of angles."""
    turned = torch.deg2rad(torch.tensor(angles))
    return TextBank(Vocabulary.parse(text), torch.stack([turned.cos(), turned.sin()], dim=1))


def test_the_closest_phrases_of_two_concepts_are_named() -> None:
    text = bank("sofa: sofa, settee; couch: couch, divan; tree", 0, 30, 10, 32, 90)
    (pair,) = near_duplicates(text)
    assert (pair.first, pair.second) == (0, 1)
    assert (pair.first_phrase, pair.second_phrase) == ("settee", "divan")
    assert pair.cosine == pytest.approx(float(torch.deg2rad(torch.tensor(2.0)).cos()))


def test_phrases_of_one_concept_may_be_as_close_as_they_like() -> None:
    assert near_duplicates(bank("dog: dog, puppy; sky", 0, 0, 90)) == ()


def test_the_most_alike_pair_comes_first() -> None:
    pairs = near_duplicates(bank("a; b; c", 0, 15, 20))
    assert [(pair.first, pair.second) for pair in pairs] == [(1, 2), (0, 1)]


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 999), rows=st.integers(1, 4))
def test_every_pair_at_the_limit_is_found_whatever_the_piece(seed: int, rows: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    angles = (90 * torch.rand(6, generator=generator)).tolist()
    text = bank("a; b: p, q; c; d: r, s", *angles)
    found = {
        (pair.first, pair.second): pair.cosine for pair in similar.near_duplicates(text, 0.9, rows)
    }
    owners = text.vocabulary.phrase_owners
    cosines = text.embeddings @ text.embeddings.T
    expected: dict[tuple[int, int], float] = {}
    for i in range(6):
        for j in range(6):
            if owners[i] < owners[j] and cosines[i, j] >= 0.9:
                pair = (owners[i], owners[j])
                expected[pair] = max(expected.get(pair, 0.0), float(cosines[i, j]))
    assert found == pytest.approx(expected)


def test_thousands_of_concepts_that_are_all_alike_do_not_flood_the_answer() -> None:
    words = Vocabulary.parse("; ".join(f"thing {number}" for number in range(1200)))
    pairs = near_duplicates(TextBank(words, torch.ones(1200, 4) / 2))
    assert 0 < len(pairs) <= 3000
