from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import approx_fprime

from ovseg_annotate.learning_loop.material import Columns
from ovseg_annotate.learning_loop.phrasing import Phrasing, Weighing
from ovseg_annotate.learning_loop.rows import Rows
from ovseg_annotate.learning_loop.weighing import _Problem, weighed
from ovseg_annotate.vocabulary import Vocabulary
from ovseg_annotate.watch import Watch

Rule = Literal["max", "sum"]

WORDS = Vocabulary.parse("disc: disc, sky, ball; sea; moon: moon, lamp; -other: one, two")
COLUMNS = Columns.of(WORDS, "max")
EVERY = np.ones(len(COLUMNS.names), np.bool_)
DISC, SEA, MOON, NONE = range(4)
SURE = 8.0  # nats


def phrasing(rule: Rule = "max") -> Phrasing:
    return Phrasing.of(WORDS, rule)


def rows(said: np.ndarray, others: np.ndarray, certain: np.ndarray, rule: Rule = "max") -> Rows:
    """Cells of which the phrases of disc and moon say that, and sea and none the others."""
    owners = phrasing(rule).owners
    log_odds = np.zeros((len(said), len(EVERY)))
    for column in (DISC, MOON):
        log_odds[:, column] = phrasing(rule).folded(said[:, owners == column])
    log_odds[:, [SEA, NONE]] = others
    return Rows(
        np.zeros((len(said), 0)),
        log_odds,
        said.astype(np.float32),
        certain,
        np.zeros_like(certain),
        certain.sum(axis=0) > 0,
    )


def misled(weight: float = 1.0, cells: int = 20) -> Rows:
    """Half of the cells are discs, as "disc" says; the others are sea, where "sky" shouts disc."""
    said = np.zeros((2 * cells, 5))
    said[:cells, 0] = SURE
    said[cells:, 1] = SURE
    others = np.zeros((2 * cells, 2))
    others[cells:, 0] = SURE - 2
    certain = np.zeros((2 * cells, len(EVERY)))
    certain[:cells, DISC] = certain[cells:, SEA] = weight
    return rows(said, others, certain)


def noise(seed: int, rule: Rule = "max") -> Rows:
    rng = np.random.default_rng(seed)
    said, others = rng.normal(0, 3, (30, 5)), rng.normal(0, 3, (30, 2))
    certain = rng.random((30, len(EVERY)))
    certain[:, MOON] = 0  # nobody corrected it
    found = rows(said, others, certain, rule)
    rejected = rng.random(certain.shape) * (certain > 0)
    return Rows(found.vectors, found.log_odds, found.phrases, certain, rejected, found.taught)


def weights_of(given: Rows, hold: float = 1.0, rule: Rule = "max") -> np.ndarray:
    found = weighed(given, phrasing(rule), EVERY, hold, Watch())
    assert found is not None
    return found.weights


def test_a_phrase_that_misleads_loses_its_weight_to_the_others() -> None:
    disc, sky, ball, moon, lamp = weights_of(misled())
    assert sky < 0.2
    assert disc > 1
    assert ball > sky
    assert (moon, lamp) == (1, 1)


def test_what_was_misled_comes_right() -> None:
    given = misled()
    assert (given.log_odds[20:].argmax(axis=1) == DISC).all()
    found = weighed(given, phrasing(), EVERY, 1.0, Watch())
    assert found is not None
    after = found.reworded(given.log_odds, given.phrases).argmax(axis=1)
    assert after.tolist() == [DISC] * 20 + [SEA] * 20


def test_the_more_cells_it_misled_the_less_a_phrase_counts() -> None:
    counting = [weights_of(misled(weight))[1] for weight in (0.001, 0.1, 1.0, 10.0)]
    assert counting == sorted(counting, reverse=True)
    assert counting[0] > 0.9
    assert counting[-1] < 0.05


def test_the_harder_they_are_held_the_nearer_weights_are_to_equal() -> None:
    spread = [np.ptp(weights_of(misled(), hold)) for hold in (0.1, 1.0, 10.0, 1000.0)]
    assert spread == sorted(spread, reverse=True)
    assert spread[-1] < 0.05


def test_where_all_is_right_already_weights_stay_nearly_equal() -> None:
    said = np.tile([30.0, 0, 0, 0, 0], (20, 1))
    certain = np.zeros((20, len(EVERY)))
    certain[:, DISC] = 1
    assert np.allclose(weights_of(rows(said, np.zeros((20, 2)), certain)), 1, atol=1e-3)


def test_without_evidence_weights_are_equal_to_the_bit() -> None:
    given = misled(weight=0.0)
    taught = np.array([True, True, False, False])
    silent = Rows(
        given.vectors, given.log_odds, given.phrases, given.certain, given.rejected, taught
    )
    assert (weights_of(silent) == 1).all()


def test_a_concept_that_nobody_corrected_has_nothing_to_weigh() -> None:
    given = misled()
    only_sea = Rows(
        given.vectors, given.log_odds, given.phrases, given.certain, given.rejected,
        np.array([False, True, False, False]),
    )  # fmt: skip
    assert weighed(only_sea, phrasing(), EVERY, 1.0, Watch()) is None
    assert weighed(given, phrasing(), ~EVERY, 1.0, Watch()) is None


def test_concepts_of_one_phrase_and_negative_ones_are_not_weighed() -> None:
    assert phrasing().texts == ("disc", "sky", "ball", "moon", "lamp")
    assert phrasing().owners.tolist() == [DISC, DISC, DISC, MOON, MOON]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["max", "sum"]))
def test_weights_are_positive_add_up_and_come_out_alike(seed: int, rule: Rule) -> None:
    given, found = noise(seed, rule), weights_of(noise(seed, rule), rule=rule)
    assert (found > 0).all()
    assert found[:3].sum() == pytest.approx(3)
    assert (found[3:] == 1).all()
    assert np.array_equal(found, weights_of(given, rule=rule))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_concepts_that_nobody_corrected_keep_their_numbers_to_the_bit(seed: int) -> None:
    given = noise(seed)
    found = weighed(given, phrasing(), EVERY, 0.1, Watch())
    assert found is not None
    after = found.reworded(given.log_odds, given.phrases)
    assert np.array_equal(after[:, MOON], given.log_odds[:, MOON])
    total = np.logaddexp.reduce(after, axis=1)
    assert np.allclose(total, np.logaddexp.reduce(given.log_odds, axis=1))


@pytest.mark.parametrize("rule", ["max", "sum"])
def test_the_slope_is_that_of_the_loss(rule: Rule) -> None:
    given, chosen = noise(3, rule), np.array([True, True, True, False, False])
    trading = np.array([True, True, False, True])
    problem = _Problem.of(given, phrasing(rule), chosen, trading)
    place = np.array([0.3, -0.7, 0.2])
    _, slope = problem.loss_and_slope(place)
    numeric = approx_fprime(place, lambda flat: problem.loss_and_slope(flat)[0], 1e-6)
    assert np.allclose(slope, numeric, rtol=1e-3, atol=1e-3)


def test_learnt_weights_come_back_in_other_words() -> None:
    found = Weighing(phrasing(), np.array([1.4, 0.2, 1.4, 1, 1]), EVERY)
    learnt = found.learnt()
    assert [(each.concept, each.phrase) for each in learnt] == [
        ("disc", "disc"),
        ("disc", "sky"),
        ("disc", "ball"),
    ]
    again = Weighing.from_learnt(learnt, phrasing(), EVERY)
    assert np.allclose(again.weights, found.weights)
    without = Phrasing.of(Vocabulary.parse("Disc: disc, ball; sea"), "max")
    assert np.allclose(Weighing.from_learnt(learnt, without, EVERY[:3]).weights, 1)
