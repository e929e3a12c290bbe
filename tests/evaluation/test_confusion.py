from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovseg_annotate.evaluation.confusion import Confusion


def test_counts_worked_out_by_hand() -> None:
    truth = np.array([[1, 1, 2], [2, 2, 0]], np.uint8)
    suggestion = np.array([[1, 2, 2], [2, 0, 0]], np.uint8)
    confusion = Confusion.of(truth, suggestion, 3)
    np.testing.assert_allclose(confusion.iou, [1 / 2, 2 / 4, np.nan])
    assert confusion.mean_iou == 0.5
    assert confusion.pixel_accuracy == 3 / 5
    assert confusion.unlabelled == 2 / 6


@given(st.integers(0, 1000), st.integers(1, 300))
def test_iou_is_that_of_the_sets(seed: int, concepts: int) -> None:
    random = np.random.default_rng(seed)
    truth = random.integers(0, concepts + 1, (9, 11)).astype(np.uint16)
    suggestion = random.integers(0, concepts + 1, (9, 11)).astype(np.uint16)
    iou = Confusion.of(truth, suggestion, concepts).iou
    for label in range(1, concepts + 1):
        either = ((truth == label) | (suggestion == label)).sum()
        both = ((truth == label) & (suggestion == label)).sum()
        if either == 0:
            assert np.isnan(iou[label - 1])
        else:
            assert iou[label - 1] == pytest.approx(both / either)


def test_the_mean_is_over_the_data_set_and_not_over_its_pictures() -> None:
    full = np.ones((10, 10), np.uint8)
    one = np.zeros((10, 10), np.uint8)
    one[0, 0] = 1
    total = Confusion.of(full, full, 1) + Confusion.of(one, np.zeros_like(one), 1)
    assert total.mean_iou == pytest.approx(100 / 101)


def test_ignored_pixels_do_not_count() -> None:
    truth = np.array([[1, 255]], np.uint8)
    suggestion = np.array([[1, 1]], np.uint8)
    assert Confusion.of(truth, suggestion, 1, ignore=255).mean_iou == 1.0


def test_a_label_beyond_the_concepts_is_refused() -> None:
    with pytest.raises(ValueError, match="label 3 for 2 concepts"):
        Confusion.of(np.array([[3]], np.uint8), np.array([[0]], np.uint8), 2)


def test_two_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in size"):
        Confusion.of(np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.uint8), 1)
