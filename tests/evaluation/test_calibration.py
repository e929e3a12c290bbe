from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ovseg_annotate.evaluation.calibration import BINS, Calibration


def plain_error(
    truth: NDArray[np.uint8], said: NDArray[np.uint8], sure: NDArray[np.float16]
) -> float:
    """Bin after bin, as the definition reads."""
    total, error = 0, 0.0
    for number in range(BINS):
        low, high = number / BINS, (number + 1) / BINS
        values = sure.astype(np.float64)
        inside = (said > 0) & (values <= high) & ((values > low) | (number == 0))
        count = int(inside.sum())
        total += count
        if count:
            right = (truth[inside] == said[inside]).mean()
            error += count * abs(right - values[inside].mean())
    return error / total if total else float("nan")


@given(st.integers(0, 999))
def test_the_error_is_that_of_the_definition(seed: int) -> None:
    random = np.random.default_rng(seed)
    truth, said = random.integers(0, 3, (2, 12, 9)).astype(np.uint8)
    sure = random.random((12, 9)).astype(np.float16)
    error = Calibration.of(truth, said, sure).error
    assert error == pytest.approx(plain_error(truth, said, sure), abs=1e-9, nan_ok=True)


def test_who_is_always_sure_and_right_has_no_error() -> None:
    labels = np.ones((4, 4), np.uint8)
    assert Calibration.of(labels, labels, np.ones((4, 4), np.float16)).error == 0


def test_who_is_always_sure_and_wrong_is_off_by_one() -> None:
    truth, said = np.ones((4, 4), np.uint8), np.full((4, 4), 2, np.uint8)
    assert Calibration.of(truth, said, np.ones((4, 4), np.float16)).error == 1


def test_pictures_are_summed_before_the_error_is_taken() -> None:
    truth = np.ones((2, 5), np.uint8)
    sure = np.full((2, 5), 0.5, np.float16)
    right = Calibration.of(truth, truth, sure)
    wrong = Calibration.of(truth, truth + 1, sure)
    assert right.error == wrong.error == 0.5
    assert (right + wrong).error == 0


def test_unlabelled_and_ignored_pixels_say_nothing() -> None:
    truth = np.array([[1, 255, 1]], np.uint8)
    said = np.array([[0, 1, 1]], np.uint8)
    counted = Calibration.of(truth, said, np.ones((1, 3), np.float16), ignore=255)
    assert counted.pixels.sum() == counted.right.sum() == 1
