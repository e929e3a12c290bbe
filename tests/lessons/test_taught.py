from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from ovseg_annotate.errors import VersionError
from ovseg_annotate.learning_loop.fitting import Fitted
from ovseg_annotate.learning_loop.judging import fitted_of
from ovseg_annotate.learning_loop.material import Columns
from ovseg_annotate.lessons.lesson import NOTHING, Lesson
from ovseg_annotate.lessons.taught import Taught, log_odds, taught_by
from ovseg_annotate.scores import ClassScores
from ovseg_annotate.vocabulary import Vocabulary

WORDS = Vocabulary.parse("leaf; stem; root; -pot; -floor")


def lesson(**changes: object) -> Lesson:
    rng = np.random.default_rng(0)
    anchors = rng.normal(size=(3, 6)).astype(np.float32)
    values: dict[str, object] = {
        "digest": "ab" * 32,
        "space": "vectors 1",
        "concepts": ("leaf", NOTHING),
        "offsets": np.zeros(2, np.float32),
        "anchors": anchors / np.linalg.norm(anchors, axis=1, keepdims=True),
        "lifts": rng.normal(size=(3, 2)).astype(np.float32),
        "reach": 0.2,
    }
    return Lesson(**(values | changes))  # type: ignore[arg-type]


def scores(seed: int, *, competing: bool = True) -> ClassScores:
    values = torch.randn(2, len(WORDS), 3, 4, generator=torch.Generator().manual_seed(seed))
    values = values.softmax(dim=1) if competing else values.sigmoid()
    return ClassScores(values, competing, WORDS)


def cells(seed: int) -> torch.Tensor:
    vectors = torch.randn(2, 3, 4, 6, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(vectors, dim=-1)


def taught(**changes: object) -> Taught:
    found = taught_by(lesson(**changes), WORDS)
    assert found is not None
    return found


@given(st.integers(0, 1000), st.floats(-3, 3), st.floats(-3, 3))
def test_offsets_take_nothing_from_concepts_that_nobody_taught(
    seed: int, one: float, other: float
) -> None:
    offsets = np.array([one, other], np.float32)
    assume(offsets.any())
    nowhere = {"anchors": np.zeros((0, 6), np.float32), "lifts": np.zeros((0, 2), np.float32)}
    before = scores(seed)
    after = taught(offsets=offsets, **nowhere).applied(before, None)
    assert torch.allclose(after.values[:, 1:3], before.values[:, 1:3], atol=1e-5)
    assert torch.allclose(after.values.sum(dim=1), torch.ones(()), atol=1e-5)


def test_far_from_all_anchors_the_words_rule() -> None:
    found = taught(reach=0.02)
    away = -found.anchors.sum(dim=0)
    away = torch.nn.functional.normalize(away, dim=-1).expand(2, 3, 4, 6)
    assert (away[0, 0, 0] @ found.anchors.T).max() < 0.5
    before = scores(1)
    assert torch.allclose(found.applied(before, away).values, before.values, atol=1e-6)


def test_none_of_them_is_whatever_is_negative() -> None:
    found = taught()
    assert torch.equal(found.lifts[:, 3], found.lifts[:, 4])
    assert found.taught.tolist() == [True, False, False, True, True]


def test_the_case_of_a_name_makes_no_difference() -> None:
    found = taught_by(lesson(), Vocabulary.parse("Stem; LEAF"))
    assert found is not None
    assert found.taught.tolist() == [False, True]


def test_a_lesson_about_other_words_changes_nothing() -> None:
    assert taught_by(lesson(), Vocabulary.parse("car; road")) is None


ONE_NEGATIVE = Vocabulary.parse("leaf; stem; root; -pot")


@given(st.integers(0, 1000), st.floats(-2, 2))
def test_learning_and_scoring_use_one_formula(seed: int, offset: float) -> None:
    learnt = lesson(offsets=np.array([offset, -0.4], np.float32))
    values = torch.randn(2, 4, 3, 4, generator=torch.Generator().manual_seed(seed)).softmax(dim=1)
    before, looks = ClassScores(values, True, ONE_NEGATIVE), cells(seed)
    found = taught_by(learnt, ONE_NEGATIVE)
    assert found is not None
    after = found.applied(before, looks).values
    columns = Columns.of(ONE_NEGATIVE)
    logits = columns.merged(log_odds(before).permute(0, 2, 3, 1).reshape(-1, 4).numpy())
    vectors = looks.reshape(-1, 6).double().numpy()
    shifted = fitted_of(learnt, columns).shifted(
        vectors, logits, np.zeros((len(logits), 0), np.float32)
    )
    shares = np.exp(shifted - np.logaddexp.reduce(shifted, axis=1)[:, None])
    assert np.allclose(after.permute(0, 2, 3, 1).reshape(-1, 4).numpy(), shares, atol=1e-4)


def test_where_the_words_see_what_nobody_taught_they_rule() -> None:
    values = torch.full((1, len(WORDS), 1, 1), 1e-6)
    values[:, 1] = 1 - 4e-6  # surely a stem
    found = taught()
    looks = found.anchors[:1].view(1, 1, 1, 6)
    after = found.applied(ClassScores(values, True, WORDS), looks)
    assert torch.allclose(after.values, values, atol=1e-4)


def test_another_engine_is_refused() -> None:
    with pytest.raises(VersionError, match="does not fit catseg 2"):
        lesson().check_space("catseg 2")


def test_numbers_that_are_none_are_no_lesson() -> None:
    with pytest.raises(ValueError, match="finite"):
        lesson(offsets=np.array([np.nan, 0], np.float32))


def test_a_lesson_comes_back_from_its_columns() -> None:
    fitted = fitted_of(lesson(), Columns.of(WORDS))
    assert isinstance(fitted, Fitted)
    assert fitted.taught.tolist() == [True, False, False, True]
