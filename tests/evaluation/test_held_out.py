from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pytest

from ovseg_annotate.datasets.scenes import HeldOut, held_out_scene, is_unseen
from ovseg_annotate.datasets.scenes.words import (
    COLOURS,
    GROUNDS,
    MICRO_GROUNDS,
    MICRO_THINGS,
    names_of,
    word_named,
)
from ovseg_annotate.errors import OptionError
from ovseg_annotate.evaluation.held_out import (
    Asking,
    SceneSet,
    all_scene_trials,
    scene_of,
    scene_trials,
)
from ovseg_annotate.evaluation.trials import Trial

FEW = Asking(count=5)


def trials(which: SceneSet, asking: Asking = FEW) -> list[Trial]:
    return list(scene_trials(which, "unseen", asking).draw())


def pair_of(name: str) -> tuple[str, str] | None:
    colour, _, shape = name.partition(" ")
    known = colour in names_of(COLOURS) and shape != "background"
    return (colour, shape) if known and name not in GROUNDS else None


@pytest.mark.parametrize("which", SceneSet)
def test_the_truth_is_whole_and_four_words_are_absent(which: SceneSet) -> None:
    for trial in trials(which):
        assert trial.truth.min() > 0
        assert trial.pixels.shape[:2] == trial.truth.shape
        assert len(trial.absent) == 4
        assert len(trial.vocabulary) == len(trial.present) + 4
        assert trial.grounds
        assert trial.grounds < {trial.vocabulary.names[label - 1] for label in trial.present}


def test_labels_name_what_the_scene_has_there() -> None:
    for index, trial in enumerate(trials(SceneSet.CROWDED)):
        scene = held_out_scene(HeldOut.CROWDED, "unseen", index)
        for region in scene.regions:
            label = trial.vocabulary.names.index(region.name) + 1
            assert set(trial.truth[scene.instances == region.label].tolist()) == {label}


def test_the_same_seed_asks_the_same_and_another_asks_otherwise() -> None:
    asked = [
        [trial.vocabulary for trial in trials(SceneSet.EASY, Asking(count=5, seed=seed))]
        for seed in (0, 0, 1)
    ]
    assert asked[0] == asked[1]
    assert asked[0] != asked[2]


def test_true_words_stand_anywhere_in_the_list() -> None:
    places = Counter(
        label for trial in trials(SceneSet.EASY, Asking(count=60)) for label in trial.present[:1]
    )
    assert len(places) >= 4


def test_unseen_sets_ask_for_unseen_pairs_only() -> None:
    for trial in trials(SceneSet.EASY) + trials(SceneSet.SECOND_EASY):
        pairs = [pair for name in trial.vocabulary.names if (pair := pair_of(name)) is not None]
        assert pairs
        assert all(is_unseen(*pair) for pair in pairs)


def test_microscopy_is_asked_for_other_things_of_the_microscope() -> None:
    words = set(names_of((*MICRO_THINGS, *MICRO_GROUNDS)))
    for trial in trials(SceneSet.MICROSCOPY):
        assert set(trial.vocabulary.names) <= words
    more = trials(SceneSet.MICROSCOPY, Asking(count=2, absent=10))
    assert all(len(trial.absent) == 10 for trial in more)


def test_synonyms_change_the_phrases_and_nothing_else() -> None:
    plain = trials(SceneSet.EASY)
    said = trials(SceneSet.EASY, dataclasses.replace(FEW, synonyms=True))
    for one, other in zip(plain, said, strict=True):
        assert set(one.vocabulary.names) == set(other.vocabulary.names)
        for concept in other.vocabulary:
            (phrase,) = concept.phrases
            head = concept.name if concept.name in GROUNDS else concept.name.split()[-1]
            assert any(phrase.endswith(synonym) for synonym in word_named(head).synonyms)
            assert phrase != concept.name


def test_the_second_set_is_drawn_by_the_other_generator() -> None:
    first, second = (
        scene_of(which, "unseen", 0) for which in (SceneSet.EASY, SceneSet.SECOND_EASY)
    )
    assert first.pixels.shape == second.pixels.shape
    assert not np.array_equal(first.pixels, second.pixels)


def test_everything_has_each_set_once_and_the_two_special_ones() -> None:
    names = [each.name for each in all_scene_trials(FEW)]
    assert len(names) == len(set(names))
    assert {"easy, unseen pairs", "easy, seen pairs", "microscopy"} <= set(names)
    assert {"second-easy, unseen pairs", "large-twice, seen pairs"} <= set(names)
    assert {"easy, unseen pairs, synonyms", "easy, unseen pairs, 10 absent"} <= set(names)


@pytest.mark.parametrize("wrong", [{"count": 0}, {"absent": -1}, {"count": 10_001}])
def test_impossible_numbers_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(OptionError, match="out of range"):
        Asking(**wrong)
