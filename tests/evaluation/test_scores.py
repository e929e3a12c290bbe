from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ovseg_annotate.evaluation.absent import AbsentArea
from ovseg_annotate.evaluation.scores import Scores, counts_of, scores_of
from ovseg_annotate.evaluation.trials import Trial
from ovseg_annotate.regions import Mask, Region
from ovseg_annotate.vocabulary import Vocabulary


def trial(
    truth: NDArray[np.uint8], words: str, grounds: str = "", ignore: int | None = None
) -> Trial:
    pixels = np.zeros((*truth.shape, 3), np.uint8)
    return Trial("one", pixels, truth, Vocabulary.parse(words), frozenset(grounds.split()), ignore)


def scores(*answered: tuple[Trial, NDArray[np.uint8]]) -> Scores:
    return scores_of([counts_of(each, said, None, 1.0) for each, said in answered])


def labels(*rows: str) -> NDArray[np.uint8]:
    return np.array([[int(value) for value in row] for row in rows], np.uint8)


def test_a_right_answer_has_full_marks() -> None:
    truth = labels("1122", "1122", "3333")
    found = scores((trial(truth, "car; tree; road; sky", grounds="road sky"), truth))
    assert found.mean_iou == found.mean_iou_with_absent == found.foreground_iou == 1
    assert found.pixel_accuracy == found.boundary == 1
    assert found.absent_area == found.unlabelled == 0


def test_scores_worked_out_by_hand() -> None:
    truth = labels("1122", "1122", "3333")
    said = labels("1122", "1422", "3300")
    found = scores((trial(truth, "car; tree; road; sky", grounds="road sky"), said))
    by_name = {each.name: each.iou for each in found.concepts}
    assert by_name == {"car": 3 / 4, "tree": 1.0, "road": 2 / 4, "sky": 0.0}
    assert found.mean_iou == pytest.approx((3 / 4 + 1 + 2 / 4) / 3)
    assert found.mean_iou_with_absent == pytest.approx((3 / 4 + 1 + 2 / 4 + 0) / 4)
    assert found.foreground_iou == pytest.approx((3 / 4 + 1) / 2)
    assert found.pixel_accuracy == 9 / 12
    assert found.absent_area == 1 / 12
    assert found.unlabelled == 2 / 12


@given(st.integers(0, 500))
def test_the_order_of_the_words_changes_nothing(seed: int) -> None:
    random = np.random.default_rng(seed)
    names, answered, shuffled = ["car", "tree", "road", "sky"], [], []
    for _ in range(3):
        truth, said = random.integers(0, 5, (2, 7, 6)).astype(np.uint8)
        order = random.permutation(4)
        table = np.zeros(5, np.uint8)
        table[order + 1] = np.arange(1, 5)
        answered.append((trial(truth, "; ".join(names), "road sky"), said))
        words = "; ".join(names[place] for place in order)
        shuffled.append((trial(table[truth], words, "road sky"), table[said]))
    one, other = scores(*answered), scores(*shuffled)
    assert one.concepts == other.concepts
    assert one.mean_iou == other.mean_iou
    assert one.absent_area == pytest.approx(other.absent_area, nan_ok=True)
    assert one.foreground_iou == pytest.approx(other.foreground_iou, nan_ok=True)


def test_counts_of_pictures_are_summed_by_name() -> None:
    first = (trial(labels("1111"), "car; tree"), labels("1100"))
    second = (trial(labels("2200"), "sky; car"), labels("2200"))
    found = scores(first, second)
    assert {each.name: each.iou for each in found.concepts if each.true_pixels} == {"car": 4 / 6}
    assert found.foreground_iou == pytest.approx((2 / 4 + 1) / 2)


def test_a_word_that_was_only_suggested_counts_where_it_should() -> None:
    found = scores((trial(labels("1110"), "car; tree"), labels("1112")))
    assert found.mean_iou == 1
    assert found.mean_iou_with_absent == 0.5
    assert found.absent_area == 1 / 4


def test_ignored_pixels_do_not_count_anywhere() -> None:
    truth = labels("1199", "1199")
    found = scores((trial(truth, "car; tree", ignore=9), labels("1122", "1100")))
    assert found.mean_iou == 1
    assert found.absent_area == found.unlabelled == 0


def test_negative_concepts_are_not_absent_ones() -> None:
    asked = trial(labels("1100"), "car; -background")
    assert asked.absent == ()
    assert math.isnan(scores((asked, labels("1100"))).absent_area)


def test_absent_area_is_that_of_all_pictures_that_had_absent_words() -> None:
    some = AbsentArea.of(labels("1122"), labels("3122"), (3,))
    none = AbsentArea.of(labels("1122"), labels("2222"), ())
    assert (some + none).share == 1 / 4


def test_sure_and_right_goes_into_the_reliability_plot() -> None:
    asked = trial(labels("1122"), "car; tree")
    sure = np.array([[0.9, 0.9, 0.3, 0.3]], np.float16)
    found = scores_of([counts_of(asked, labels("1112"), sure, 1.0)])
    assert [(each.pixels, each.right) for each in found.reliability] == [(2, 0.5), (2, 1.0)]
    assert all(each.low < each.confidence <= each.high for each in found.reliability)
    assert found.calibration_error == pytest.approx((2 * 0.2 + 2 * 0.1) / 4, abs=2e-3)


def cells(values: NDArray[np.uint8], confidence: float | None = None) -> tuple[Region, ...]:
    """A region of "car" for every number of the map."""
    return tuple(
        Region("car", (), Mask.of(values == number), confidence)
        for number in np.unique(values[values > 0])
    )


def test_single_examples_are_counted_over_all_pictures() -> None:
    numbers = labels("1022", "1022")
    asked = trial(np.minimum(numbers, 1), "car; tree")
    told_apart = dataclasses.replace(asked, instances=cells(numbers))
    found = counts_of(told_apart, asked.truth, None, 1.0, cells(numbers, 0.5))
    missed = counts_of(told_apart, asked.truth, None, 1.0, ())
    scores = scores_of([found, missed])
    car, tree = scores.concepts
    assert (car.examples, tree.examples) == (4, 0)
    assert car.instances.mean == scores.instances.at_50 == pytest.approx(51 / 101)
    assert math.isnan(tree.instances.mean)


def test_where_examples_are_not_told_apart_there_is_no_precision() -> None:
    numbers = labels("1022", "1022")
    asked = trial(np.minimum(numbers, 1), "car")
    scores = scores_of([counts_of(asked, asked.truth, None, 1.0, cells(numbers, 0.5))])
    assert math.isnan(scores.instances.mean)
    assert scores.concepts[0].examples == 0


def test_a_picture_whose_examples_are_not_told_apart_does_not_spoil_the_others() -> None:
    numbers = labels("1022", "1022")
    plain = trial(np.minimum(numbers, 1), "tree; car")
    told_apart = dataclasses.replace(
        trial(np.minimum(numbers, 1), "car; tree"), instances=cells(numbers)
    )
    counted = [
        counts_of(each, each.truth, None, 1.0, cells(numbers, 0.5)) for each in (plain, told_apart)
    ]
    assert scores_of(counted).instances.mean == 1
