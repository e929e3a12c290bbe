from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize
from vector_engine import VECTOR_CARD, VectorEngine

from ovseg_annotate.errors import VersionError
from ovseg_annotate.learning_loop.judging import fitted_of
from ovseg_annotate.learning_loop.material import Columns
from ovseg_annotate.lessons.lesson import NOTHING, Lesson
from ovseg_annotate.lessons.phrase_weights import PhraseWeight, counting_less, weights_among
from ovseg_annotate.lessons.taught import log_odds, taught_by
from ovseg_annotate.lessons.weighed import Weighed, phrases_apart, weighed_by
from ovseg_annotate.scores import ClassScores
from ovseg_annotate.vocabulary import Vocabulary

Rule = Literal["max", "sum"]

WORDS = Vocabulary.parse("leaf: green, blue; red; sky: blue, white; -black: black, grey")
LEARNT = (PhraseWeight("leaf", "green", 1.7), PhraseWeight("leaf", "blue", 0.3))


def lesson(
    concepts: tuple[str, ...] = ("leaf", "red"), phrases: tuple[PhraseWeight, ...] = LEARNT
) -> Lesson:
    """Of weights of phrases alone."""
    count = len(concepts)
    return Lesson(
        digest="ab" * 32,
        space=VECTOR_CARD.space,
        concepts=concepts,
        offsets=np.zeros(count, np.float32),
        anchors=np.zeros((0, 0), np.float32),
        lifts=np.zeros((0, count), np.float32),
        phrases=phrases,
    )


def engine_of(rule: Rule) -> VectorEngine:
    return VectorEngine(replace(VECTOR_CARD, folds=rule))


def weighed(words: Vocabulary = WORDS, rule: Rule = "max", learnt: Lesson | None = None) -> Weighed:
    engine = engine_of(rule)
    bank = engine.encode_text(words)
    found = weighed_by(learnt or lesson(), bank, rule, engine.score_vectors)
    assert found is not None
    return found


def cells(seed: int) -> torch.Tensor:
    vectors = torch.randn(2, 3, 4, 16, generator=torch.Generator().manual_seed(seed))
    return normalize(vectors, dim=-1)


def scores(seed: int, rule: Rule = "max") -> ClassScores:
    engine = engine_of(rule)
    found = engine.score_vectors(cells(seed).flatten(0, 2), engine.encode_text(WORDS))
    values = found.values.view(len(WORDS), 2, 3, 4).transpose(0, 1)
    return ClassScores(values, True, WORDS)


@settings(deadline=None)
@given(st.integers(0, 1000))
def test_other_concepts_stay_as_they_are_to_the_bit(seed: int) -> None:
    before = scores(seed)
    after = weighed().applied(before, cells(seed))
    assert torch.equal(after.values[:, 2], before.values[:, 2])
    assert not torch.equal(after.values[:, 0], before.values[:, 0])
    assert torch.allclose(after.values.sum(dim=1), torch.ones(()), atol=1e-5)


@settings(deadline=None)
@given(st.integers(0, 1000), st.sampled_from(["max", "sum"]))
def test_learning_and_scoring_use_one_formula(seed: int, rule: Rule) -> None:
    before, looks = scores(seed, rule), cells(seed)
    after = weighed(rule=rule).applied(before, looks).values
    engine, columns = engine_of(rule), Columns.of(WORDS, rule)
    bank = engine.encode_text(WORDS)
    shared = phrases_apart(bank, (0, 1, 3, 4))
    told = log_odds(engine.score_vectors(looks.flatten(0, 2), shared))[0, :, 0].T.numpy()
    logits = columns.merged(log_odds(before).permute(0, 2, 3, 1).reshape(-1, 4).numpy())
    nowhere = np.zeros((len(logits), 0))
    shifted = fitted_of(lesson(), columns).shifted(nowhere, logits, told)
    shares = np.exp(shifted - np.logaddexp.reduce(shifted, axis=1)[:, None])
    assert np.allclose(after.permute(0, 2, 3, 1).reshape(-1, 4).numpy(), shares, atol=1e-4)


@pytest.mark.parametrize("rule", ["max", "sum"])
def test_a_phrase_without_weight_says_nothing(rule: Rule) -> None:
    mute = (PhraseWeight("leaf", "green", 2.0), PhraseWeight("leaf", "blue", 1e-20))
    engine = engine_of(rule)
    blue = engine.encode_text(Vocabulary.parse("blue")).embeddings[0].expand(1, 1, 1, 16)
    bank = engine.encode_text(WORDS)
    before = ClassScores(engine.score_vectors(blue[0, 0], bank).values, True, WORDS)
    assert before.values[0, 0] > 0.3
    after = weighed(rule=rule, learnt=lesson(phrases=mute)).applied(before, blue)
    assert after.values[0, 0] < 1e-3
    assert torch.equal(after.values[0, 2], before.values[0, 2])


def test_words_without_the_phrases_are_not_changed() -> None:
    engine = VectorEngine()
    for words in ("leaf: green, white; red", "leaf; red: blue, green", "leaf: blue; red"):
        bank = engine.encode_text(Vocabulary.parse(words))
        one = weighed_by(lesson(), bank, "max", engine.score_vectors)
        assert (one is None) == (words != "leaf: green, white; red")


def test_a_concept_alone_has_nobody_to_trade_with() -> None:
    engine = VectorEngine()
    bank = engine.encode_text(Vocabulary.parse("leaf: green, blue; red"))
    assert weighed_by(lesson(("leaf",)), bank, "max", engine.score_vectors) is None


def test_a_lesson_of_weights_alone_adds_nothing() -> None:
    assert taught_by(lesson(), WORDS) is None


def test_when_the_phrase_that_misled_is_taken_away_the_rest_counts_as_before() -> None:
    learnt = (*LEARNT, PhraseWeight("leaf", "grey", 1.0))
    assert np.allclose(weights_among(learnt, WORDS), [1.7, 0.3, 1, 1])
    rest = Vocabulary.parse("LEAF: green, grey; red")
    assert np.allclose(weights_among(learnt, rest), [1.26, 0.74], atol=0.01)
    left = Vocabulary.parse("leaf: green, black; red")
    assert weights_among(learnt, left).sum() == pytest.approx(2)


def test_the_worst_phrases_are_named_first() -> None:
    assert counting_less(LEARNT) == "'blue' for leaf (0.30)"
    many = tuple(PhraseWeight("leaf", f"p{n}", 0.01 * (n + 1)) for n in range(7))
    assert counting_less(many).startswith("'p0' for leaf (0.01), 'p1' for leaf")
    assert counting_less(many).endswith("and 2 more")
    assert not counting_less(())


@pytest.mark.parametrize("weight", [0.0, -1.0, float("inf"), float("nan")])
def test_a_weight_is_a_number_above_0(weight: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        PhraseWeight("leaf", "green", weight)


def test_phrases_of_concepts_that_nobody_taught_are_no_lesson() -> None:
    with pytest.raises(ValueError, match="taught concepts only"):
        lesson(concepts=("red", NOTHING))


def test_an_engine_that_does_not_tell_phrases_apart_is_refused() -> None:
    lesson().check_engine(VECTOR_CARD)
    with pytest.raises(VersionError, match="update that server"):
        lesson().check_engine(replace(VECTOR_CARD, folds=None))
    lesson(phrases=()).check_engine(replace(VECTOR_CARD, folds=None))
