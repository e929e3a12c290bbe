"""A small evaluation, worked out on pictures of colours."""

from __future__ import annotations

import numpy as np

from ovseg_annotate.evaluation.page import Exhibit, Gallery
from ovseg_annotate.evaluation.results import Conditions, Evaluation, SetResult
from ovseg_annotate.evaluation.scores import counts_of, scores_of
from ovseg_annotate.evaluation.trials import Trial
from ovseg_annotate.regions import Mask, Region
from ovseg_annotate.vocabulary import Vocabulary

CONDITIONS = Conditions(
    model="naclip@mini",
    weights="0123456789abcdef" * 4,
    licence="Apache-2.0",
    command="ovseg evaluate --data scenes:easy",
    seed=3,
    threshold=0.1,
    contrast="auto",
    options="AnnotateOptions(overlap=0.5)",
    precision="float32",
    boundary_distance=2.0,
    version="1.2.3",
)


def halves(name: str = "halves") -> Trial:
    """Left red, right blue; the third word is for nothing in it."""
    truth = np.ones((16, 20), np.uint8)
    truth[:, 10:] = 2
    colours = np.array([(0, 0, 0), (230, 20, 20), (20, 20, 230)], np.uint8)
    words = Vocabulary.parse("red star; blue background; <b>bold</b> word")
    star = Region("red star", (), Mask.of(truth == 1))
    grounds = frozenset({"blue background"})
    return Trial(name, colours[truth], truth, words, grounds, instances=(star,))


def evaluation() -> Evaluation:
    trial = halves()
    answer = trial.truth.copy()
    answer[:4, 10:] = 3
    found = Region("red star", (), Mask.of(trial.truth == 1), confidence=0.75)
    sure = np.full(answer.shape, 0.75, np.float16)
    counts = counts_of(trial, answer, sure, 2.0, (found,))
    baseline = scores_of([counts_of(trial, trial.truth, None, 2.0)])
    return Evaluation(
        CONDITIONS,
        (
            SetResult("easy & <small>", scores_of([counts]), baseline),
            SetResult("nuclei", scores_of([counts]), None),
        ),
    )


def gallery() -> Gallery:
    trial = halves()
    exhibit = Exhibit(trial, np.zeros_like(trial.truth), 0.25)
    return Gallery(evaluation().sets[0], (exhibit,), (exhibit, exhibit))
