from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from evaluation.some_results import halves
from fake_engine import FakeEngine

from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.datasets.protocol import Background, Protocol, Resize
from ovseg_annotate.devices import Placement
from ovseg_annotate.evaluate_model import examine, under_protocol
from ovseg_annotate.evaluation.instances import instances_in
from ovseg_annotate.evaluation.trials import Trial, TrialSet
from ovseg_annotate.feature_store import FeatureStore
from ovseg_annotate.geometry import Size
from ovseg_annotate.image import Image
from ovseg_annotate.label_map import LabelMap
from ovseg_annotate.refine.options import RefineOptions
from ovseg_annotate.session import Session
from ovseg_annotate.vocabulary import Concept, Vocabulary

PLAIN = AnnotateOptions(contrast="none", refine=RefineOptions(method="none"))
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


def stripes(names: tuple[str, ...], told: tuple[str, ...] = ()) -> Trial:
    """One stripe of 16 px for each name; `told` are the names that the truth claims."""
    words = Vocabulary.parse("green; blue; red; white")
    truth = np.repeat([words.names.index(name) + 1 for name in told or names], 16)
    pixels = np.repeat([COLOURS[name] for name in names], 16, axis=0)
    return Trial(
        " ".join(names),
        np.tile(pixels, (32, 1, 1)).astype(np.uint8),
        np.tile(truth, (32, 1)).astype(np.uint8),
        words,
    )


TRIALS = (
    stripes(("red", "green")),
    stripes(("blue", "red")),
    stripes(("green", "blue"), told=("blue", "green")),  # nobody can answer this one
)


def some_trials() -> Iterator[Trial]:
    return iter(TRIALS)


@pytest.fixture
def session() -> Session:
    cpu = Placement(torch.device("cpu"), torch.float32)
    return Session(FakeEngine(), cpu, FeatureStore())


def annotator(session: Session, options: AnnotateOptions = PLAIN):
    def annotate(image: Image, words: Vocabulary) -> LabelMap:
        return session.annotate(image, words, options).label_map

    return annotate


def test_scores_are_those_of_the_answers(session: Session) -> None:
    done: list[str] = []
    trials = TrialSet("stripes", 3, some_trials)
    result = examine(trials, annotator(session), 2.0, step=done.append).result
    assert result.name == "stripes"
    assert done == [trial.name for trial in TRIALS]
    assert result.scores.pictures == 3
    assert 0.6 < result.scores.pixel_accuracy < 0.7
    assert result.scores.unlabelled == 0
    assert result.baseline is not None
    assert result.baseline.pixel_accuracy == pytest.approx(2 / 3)


def test_the_best_and_the_worst_answers_are_kept(session: Session) -> None:
    examined = examine(TrialSet("stripes", 3, some_trials), annotator(session), 2.0, exhibits=1)
    (worst,) = examined.gallery.worst
    (best,) = examined.gallery.best
    assert worst.trial.name == "green blue"
    assert best.trial.name != "green blue"
    assert best.mean_iou > worst.mean_iou
    assert best.labels.shape == best.trial.truth.shape


def test_contrast_that_wins_is_a_miss_and_no_other_concept(session: Session) -> None:
    options = AnnotateOptions(contrast="grey", refine=RefineOptions(method="none"))
    grey = Trial(
        "grey",
        np.full((32, 32, 3), 128, np.uint8),
        np.full((32, 32), 3, np.uint8),
        TRIALS[0].vocabulary,
    )
    scores = examine(
        TrialSet("grey", 1, lambda: iter((grey,))), annotator(session, options), 2.0
    ).result.scores
    assert scores.unlabelled == 1
    assert scores.mean_iou == scores.absent_area == 0


def test_a_set_without_colour_words_has_no_baseline(session: Session) -> None:
    trial = Trial(
        "cells",
        np.zeros((32, 32, 3), np.uint8),
        np.ones((32, 32), np.uint8),
        Vocabulary.parse("cell"),
    )
    examined = examine(TrialSet("cells", 1, lambda: iter((trial,))), annotator(session), 2.0)
    assert examined.result.baseline is None


def test_an_answer_about_other_words_is_refused() -> None:
    def confused(image: Image, words: Vocabulary) -> LabelMap:
        flat = np.zeros((16, 20), np.float16)
        return LabelMap(flat.astype(np.uint8), flat, flat, Vocabulary.parse("something else"))

    with pytest.raises(ValueError, match="the answer is about"):
        examine(TrialSet("halves", 1, lambda: iter((halves(),))), confused, 2.0)


def protocol(background: Background, resize: Resize | None = None) -> Protocol:
    return Protocol("p", "all", (Concept("red"),), {1: "red"}, background, resize=resize)


def test_what_stays_unlabelled_is_answered_with_background(session: Session) -> None:
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[:, :16] = (255, 0, 0)
    pixels[:, 16:] = (0, 0, 255)
    truth = np.full((32, 32), 2, np.uint16)
    truth[:, :16] = 1
    trial = Trial(
        "half",
        pixels,
        truth,
        Vocabulary.parse("red; background"),
        asked=Vocabulary.parse("red; -blue"),
        background=2,
    )
    trials = TrialSet("half", 1, lambda: iter((trial,)))
    scores = examine(trials, annotator(session), 2.0).result.scores
    assert scores.mean_iou == 1
    assert scores.unlabelled == 0
    assert {each.name: each.iou for each in scores.concepts} == {"red": 1, "background": 1}


@pytest.mark.parametrize("background", Background)
def test_a_protocol_settles_what_a_person_left_open(background: Background) -> None:
    options = under_protocol(AnnotateOptions(), protocol(background, Resize(336)), Size(40, 50))
    strongest = background in (Background.IGNORED, Background.ASKED, Background.COMPETING)
    assert (options.contrast, options.threshold) == (("none", 0.0) if strongest else ("auto", None))
    assert options.scale == "336"


def test_what_a_person_set_stays_under_any_protocol() -> None:
    options = AnnotateOptions(scale="native", contrast="sky", threshold=0.4)
    rules = protocol(Background.IGNORED, Resize(336))
    assert under_protocol(options, rules, Size(40, 50)) == options


def test_without_a_protocol_or_a_size_nothing_is_settled() -> None:
    size = Size(40, 50)
    assert under_protocol(AnnotateOptions(), None, size) == AnnotateOptions()
    assert under_protocol(AnnotateOptions(), protocol(Background.OPEN), size) == AnnotateOptions()


def test_single_things_are_counted_where_they_are_told_apart(session: Session) -> None:
    trial = stripes(("red", "green", "red"))
    numbers = np.tile(np.repeat([1, 0, 2], 16), (32, 1))
    told_apart = replace(trial, instances=instances_in(numbers, {1: "red", 2: "red"}))
    scores = examine(
        TrialSet("stripes", 1, lambda: iter((told_apart,))), annotator(session), 2.0
    ).result.scores
    red = next(each for each in scores.concepts if each.name == "red")
    assert red.examples == 2
    assert red.instances.at_50 == scores.instances.at_50 == 1
