"""Ask a model the trials of an evaluation and keep what it answered best and worst."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.datasets.protocol import Protocol
from ovseg_annotate.evaluation.baseline import nearest_colour
from ovseg_annotate.evaluation.page import Exhibit, Gallery
from ovseg_annotate.evaluation.results import SetResult
from ovseg_annotate.evaluation.scores import PictureCounts, Scores, counts_of, scores_of
from ovseg_annotate.evaluation.trials import Trial, TrialSet
from ovseg_annotate.geometry import Size
from ovseg_annotate.image import Image, from_array
from ovseg_annotate.label_map import UNLABELLED, LabelMap
from ovseg_annotate.regions import RegionOptions, regions_of
from ovseg_annotate.vocabulary import Vocabulary

# Things that touch are told apart where they can be.
_SINGLE = RegionOptions(instances="split", polygons="none")

# Of a session with its options.
Annotator: TypeAlias = Callable[[Image, Vocabulary], LabelMap]


@dataclass(frozen=True, slots=True, eq=False)
class Examined:
    """The scores of a set, and pictures to look at."""

    result: SetResult
    gallery: Gallery


def examine(
    trials: TrialSet,
    annotator: Annotator,
    boundary_distance: float,
    exhibits: int = 4,
    step: Callable[[str], None] = lambda name: None,
) -> Examined:
    """Annotate every picture of a set; `step` is told the name of each that is done."""
    counted: list[PictureCounts] = []
    by_colour: list[PictureCounts] = []
    best: list[Exhibit] = []
    worst: list[Exhibit] = []
    for trial in trials.draw():
        image = from_array(trial.pixels, name=trial.name)
        label_map = annotator(image, trial.asked or trial.vocabulary)
        labels = _own_labels(label_map, trial)
        regions = None if trial.instances is None else regions_of(label_map, _SINGLE)
        counts = counts_of(trial, labels, label_map.confidence, boundary_distance, regions)
        counted.append(counts)
        nearest = nearest_colour(trial.pixels, trial.vocabulary)
        if nearest is not None:
            by_colour.append(counts_of(trial, nearest, None, boundary_distance))
        if not math.isnan(counts.mean_iou):
            exhibit = Exhibit(trial, labels, counts.mean_iou)
            best = _kept([*best, exhibit], exhibits, best_first=True)
            worst = _kept([*worst, exhibit], exhibits, best_first=False)
        step(trial.name)
    baseline = _baseline(by_colour, len(counted))
    rules = None if trials.protocol is None else trials.protocol.sentence
    result = SetResult(trials.name, scores_of(counted), baseline, rules)
    return Examined(result, Gallery(result, tuple(best), tuple(worst)))


def _own_labels(label_map: LabelMap, trial: Trial) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """The trial's concepts come first in the vocabulary of the answer, contrast after them."""
    answered, asked = label_map.vocabulary.names, (trial.asked or trial.vocabulary).names
    if answered[: len(asked)] != asked:
        raise ValueError(f"asked for {asked}, the answer is about {answered}")
    if trial.background is None:
        return label_map.labels
    labels = label_map.labels.astype(np.uint16)
    labels[labels == UNLABELLED] = trial.background
    return labels


def under_protocol(
    options: AnnotateOptions, protocol: Protocol | None, size: Size
) -> AnnotateOptions:
    """What a person left to us is as the protocol has it; what they set stays."""
    if protocol is None:
        return options
    contrast, threshold, scale = options.contrast, options.threshold, options.scale
    if protocol.background.takes_the_strongest:
        contrast = "none" if contrast == "auto" else contrast
        threshold = 0.0 if threshold is None else threshold
    if protocol.resize is not None and scale == "auto":
        scale = protocol.resize.scale_for(size)
    return replace(options, contrast=contrast, threshold=threshold, scale=scale)


def _kept(exhibits: list[Exhibit], count: int, *, best_first: bool) -> list[Exhibit]:
    return sorted(exhibits, key=lambda each: each.mean_iou, reverse=best_first)[:count]


def _baseline(pictures: Iterable[PictureCounts], wanted: int) -> Scores | None:
    counted = list(pictures)
    return scores_of(counted) if counted and len(counted) == wanted else None
