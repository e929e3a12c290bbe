from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ovseg_annotate.evaluation.boundary import BorderCounts


def square(top: int, left: int, side: int = 10, size: int = 40) -> NDArray[np.uint8]:
    labels = np.zeros((size, size), np.uint8)
    labels[top : top + side, left : left + side] = 1
    return labels


def plain_f(truth: NDArray[np.uint8], said: NDArray[np.uint8], label: int, reach: float) -> float:
    """Point against point, as the definition reads."""
    theirs, ours = border_points(truth == label), border_points(said == label)
    if not theirs and not ours:
        return float("nan")
    if not theirs or not ours:
        return 0.0

    def found(points: list[tuple[int, int]], others: list[tuple[int, int]]) -> float:
        near = [any(np.hypot(y - v, x - u) <= reach for v, u in others) for y, x in points]
        return float(np.mean(near))

    precision, recall = found(ours, theirs), found(theirs, ours)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def border_points(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    height, width = mask.shape
    return [
        (y, x)
        for y, x in np.argwhere(mask).tolist()
        if any(
            0 <= v < height and 0 <= u < width and not mask[v, u]
            for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1))
        )
    ]


@given(seed=st.integers(0, 999), distance=st.sampled_from([0.0, 1.0, 1.5, 2.0, 3.0]))
def test_f_is_that_of_the_definition(seed: int, distance: float) -> None:
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 3, (2, 4, 5)).astype(np.uint8)
    truth, said = coarse.repeat(3, axis=1).repeat(3, axis=2)
    f_score = BorderCounts.of(truth, said, 2, distance).f_score
    for label in (1, 2):
        expected = plain_f(truth, said, label, distance)
        assert f_score[label - 1] == pytest.approx(expected, nan_ok=True)


def test_a_shifted_square_is_right_within_its_shift_and_not_below() -> None:
    truth, shifted = square(10, 10), square(10, 12)
    assert BorderCounts.of(truth, shifted, 1, 2).f_score[0] == 1.0
    # The two long sides lie 2 px off; the parts of the others that overlap are exact.
    counts = BorderCounts.of(truth, shifted, 1, 0)
    assert counts.true[0] == 36
    assert counts.true_found[0] == 16
    assert counts.f_score[0] == pytest.approx(16 / 36)


def test_the_edge_of_the_picture_is_no_border() -> None:
    whole = np.ones((8, 8), np.uint8)
    counts = BorderCounts.of(whole, whole, 1, 2)
    assert counts.true[0] == counts.suggested[0] == 0
    assert np.isnan(counts.f_score[0])


def test_a_concept_that_is_missed_has_zero() -> None:
    assert BorderCounts.of(square(5, 5), np.zeros((40, 40), np.uint8), 1, 2).f_score[0] == 0.0


def test_borders_where_the_truth_does_not_count_have_no_say() -> None:
    truth, said = square(10, 10), square(10, 10)
    said[30:35, 30:35] = 1
    assert BorderCounts.of(truth, said, 1, 2).f_score[0] < 1
    truth[25:, 25:] = 255
    assert BorderCounts.of(truth, said, 1, 2, ignore=255).f_score[0] == 1.0
