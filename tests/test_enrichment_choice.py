"""Weights of descriptions, chosen on corrected pictures."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.descriptions.weights import read_weights, write_weights
from ovseg_annotate.enrichment_choice import Choice, choose_weights, measured_by
from ovseg_annotate.errors import OptionError
from ovseg_annotate.evaluation.average_precision import AveragePrecision
from ovseg_annotate.evaluation.held_out import Asking, SceneSet, scene_trials
from ovseg_annotate.evaluation.scores import ConceptScore, Scores
from ovseg_annotate.refine.options import RefineOptions

NOTHING = AveragePrecision()
UNREFINED = AnnotateOptions(refine=RefineOptions(method="none"))


def scores(**ious: float) -> Scores:
    concepts = tuple(
        ConceptScore(name, iou, 0.0, 100, 100, 0, NOTHING) for name, iou in ious.items()
    )
    return Scores(1, 0, 0, 0, 0, 0, 0, 0, 0, NOTHING, concepts, ())


def chosen(tables: dict[float, Scores]) -> Choice:
    return choose_weights(tables.__getitem__, tuple(tables))


class TestChoosing:
    def test_each_concept_gets_its_own_best_weight(self) -> None:
        choice = chosen(
            {0.0: scores(cell=0.5, slide=0.9), 0.2: scores(cell=0.7, slide=0.8)},
        )
        assert [(each.name, each.best) for each in choice.concepts] == [
            ("cell", 0.2),
            ("slide", 0.0),
        ]
        assert choice.concepts[0].gain == pytest.approx(0.2)
        assert choice.concepts[1].gain == 0
        assert choice.chosen.of("Cell", 0.1) == 0.2

    def test_of_equally_good_weights_the_smallest_is_taken(self) -> None:
        choice = chosen({0.0: scores(cell=0.5), 0.1: scores(cell=0.6), 0.5: scores(cell=0.6)})
        assert choice.concepts[0].best == 0.1

    def test_a_concept_that_no_picture_has_is_left_out(self) -> None:
        table = scores(cell=0.5, dust=0.0)
        without = replace(table.concepts[1], true_pixels=0)
        choice = chosen({0.0: replace(table, concepts=(table.concepts[0], without))})
        assert [each.name for each in choice.concepts] == ["cell"]

    def test_what_was_chosen_is_a_small_file_that_the_engines_read(self, tmp_path: Path) -> None:
        choice = chosen({0.0: scores(cell=0.5), 0.5: scores(cell=0.7)})
        write_weights(tmp_path / "weights.json", choice.chosen)
        assert read_weights(tmp_path / "weights.json").of("cell", 0.0) == 0.5

    @pytest.mark.parametrize("weights", [(), (0.1, 0.2), (0.0, 1.5)])
    def test_the_plain_names_are_always_tried_first(self, weights: tuple[float, ...]) -> None:
        with pytest.raises(OptionError, match="0 first, for the plain names"):
            choose_weights(lambda weight: scores(), weights)


def test_the_bundled_model_is_measured_at_every_weight(tmp_path: Path) -> None:
    trials = scene_trials(SceneSet.MICROSCOPY, "unseen", Asking(count=1))
    measure = measured_by("naclip@mini", trials, UNREFINED, {"enrich.source": "lexicon"})
    choice = choose_weights(measure, (0.0, 0.5))
    assert choice.concepts
    names = {name for trial in islice(trials.draw(), 1) for name in trial.vocabulary.names}
    assert {each.name for each in choice.concepts} <= names
    assert all(0 <= iou <= 1 for each in choice.concepts for iou in each.ious)
