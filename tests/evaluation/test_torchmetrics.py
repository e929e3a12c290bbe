"""Our scores of random label maps are those of torchmetrics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassCalibrationError,
    MulticlassJaccardIndex,
)
from torchmetrics.segmentation import MeanIoU

from ovseg_annotate.evaluation.calibration import BINS
from ovseg_annotate.evaluation.scores import Scores, counts_of, scores_of
from ovseg_annotate.evaluation.trials import Trial
from ovseg_annotate.vocabulary import Concept, Vocabulary

IGNORED = 255
TINY = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Random pictures of labels 0 (unlabelled) to `concepts`; some of the truth is ignored."""

    concepts: int
    truth: NDArray[np.int64]  # (pictures, height, width)
    said: NDArray[np.int64]
    probabilities: NDArray[np.float64]  # (pictures, concepts, height, width), of labels from 1 on

    def scores(self) -> Scores:
        words = Vocabulary(tuple(Concept(f"{label:03}") for label in range(1, self.concepts + 1)))
        pixels = np.zeros((*self.truth.shape[1:], 3), np.uint8)
        return scores_of(
            [
                counts_of(Trial("", pixels, truth, words, ignore=IGNORED), said, sure, 1.0)
                for truth, said, sure in zip(
                    self.truth, self.said, self.probabilities.max(axis=1), strict=True
                )
            ]
        )


def answers(seed: int, *, unlabelled: bool) -> Answers:
    random = np.random.default_rng(seed)
    concepts, pictures = int(random.integers(2, 7)), int(random.integers(1, 4))
    shape = (pictures, *random.integers(5, 12, 2))
    truth = random.integers(0 if unlabelled else 1, concepts + 1, shape)
    probabilities = random.dirichlet(np.full(concepts, 0.5), shape).transpose(0, 3, 1, 2)
    said = probabilities.argmax(axis=1) + 1
    right = random.random(shape) < 0.4
    said = np.where(right & (truth > 0), truth, said)
    if unlabelled:
        said[random.random(shape) < 0.1] = 0
    truth[random.random(shape) < 0.15] = IGNORED
    return Answers(concepts, truth, said, probabilities)


def tensors(given: Answers) -> tuple[torch.Tensor, torch.Tensor]:
    """Suggestion and truth as torchmetrics wants them."""
    return torch.from_numpy(given.said), torch.from_numpy(given.truth)


@given(st.integers(0, 10_000))
def test_iou_of_every_concept(seed: int) -> None:
    asked = answers(seed, unlabelled=True)
    theirs = MulticlassJaccardIndex(asked.concepts + 1, average="none", ignore_index=IGNORED)
    expected = theirs(*tensors(asked)).numpy()[1:]
    ours = np.array([each.iou for each in asked.scores().concepts])
    # Where neither side has a pixel we say that there is no number, they say 0.
    np.testing.assert_allclose(np.nan_to_num(ours), expected, atol=TINY)


@given(st.integers(0, 10_000))
def test_mean_iou(seed: int) -> None:
    asked = answers(seed, unlabelled=False)
    said, truth = tensors(asked)
    theirs = MulticlassJaccardIndex(asked.concepts, average="macro", ignore_index=IGNORED - 1)
    expected = float(theirs(said - 1, truth - 1))
    assert asked.scores().mean_iou_with_absent == pytest.approx(expected, abs=TINY)


@given(st.integers(0, 10_000))
def test_iou_of_every_concept_as_the_segmentation_metric_has_it(seed: int) -> None:
    asked = answers(seed, unlabelled=True)
    # It knows no ignored label: one long picture of the pixels that count.
    counted = asked.truth != IGNORED
    said, truth = (torch.from_numpy(each[counted])[None] for each in (asked.said, asked.truth))
    theirs = MeanIoU(
        asked.concepts + 1, include_background=False, per_class=True, input_format="index"
    )
    expected = theirs(said, truth).numpy()
    ours = np.array([each.iou for each in asked.scores().concepts])
    there = ~np.isnan(ours)
    np.testing.assert_allclose(ours[there], expected[there], atol=TINY)


@given(st.integers(0, 10_000))
def test_pixel_accuracy(seed: int) -> None:
    asked = answers(seed, unlabelled=False)
    said, truth = tensors(asked)
    theirs = MulticlassAccuracy(asked.concepts, average="micro", ignore_index=IGNORED - 1)
    expected = float(theirs(said - 1, truth - 1))
    assert asked.scores().pixel_accuracy == pytest.approx(expected, abs=TINY)


@given(st.integers(0, 10_000))
def test_calibration_error(seed: int) -> None:
    asked = answers(seed, unlabelled=False)
    strongest = asked.probabilities.argmax(axis=1) + 1
    sure = Answers(asked.concepts, asked.truth, strongest, asked.probabilities)
    theirs = MulticlassCalibrationError(
        asked.concepts, n_bins=BINS, norm="l1", ignore_index=IGNORED - 1
    )
    expected = float(theirs(torch.from_numpy(sure.probabilities), tensors(sure)[1] - 1))
    assert sure.scores().calibration_error == pytest.approx(expected, abs=TINY)
