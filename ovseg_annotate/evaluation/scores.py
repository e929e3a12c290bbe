"""From counts of single pictures to the scores of a set."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.evaluation.absent import AbsentArea
from ovseg_annotate.evaluation.average_precision import (
    AveragePrecision,
    Matches,
    average_precision,
    matches_of,
)
from ovseg_annotate.evaluation.boundary import BorderCounts
from ovseg_annotate.evaluation.calibration import BINS, Calibration
from ovseg_annotate.evaluation.confusion import Confusion, Labels
from ovseg_annotate.evaluation.trials import Trial
from ovseg_annotate.regions import Region


@dataclass(frozen=True, slots=True, eq=False)
class Areas:
    """Pixels of labels 0, 1, 2, ... in one picture.

    What is kept of a confusion: that of 847 concepts is 6 MB, and a data set has thousands.
    """

    right: NDArray[np.int64]
    true: NDArray[np.int64]
    suggested: NDArray[np.int64]

    @classmethod
    def of(cls, confusion: Confusion) -> Areas:
        counts = confusion.counts
        return cls(np.diag(counts).copy(), counts.sum(axis=1), counts.sum(axis=0))


@dataclass(frozen=True, slots=True, eq=False)
class PictureCounts:
    """One picture, counted; label k + 1 is `concepts[k]`."""

    name: str
    concepts: tuple[str, ...]
    areas: Areas
    borders: BorderCounts
    calibration: Calibration
    absent: AbsentArea
    foreground_iou: float  # mean over the things that the truth has; NaN when it has none
    mean_iou: float  # mean over all that the truth has
    matches: tuple[Matches, ...]  # one a concept; () where examples are not told apart


@dataclass(frozen=True, slots=True)
class ConceptScore:
    """One concept over all pictures in which it was asked for."""

    name: str
    iou: float  # NaN: neither there nor suggested
    boundary: float  # F; NaN: no border on either side
    true_pixels: int
    suggested_pixels: int
    examples: int  # single ones; 0 where they are not told apart
    instances: AveragePrecision  # of finding them


@dataclass(frozen=True, slots=True)
class Bin:
    """One bar of a reliability plot."""

    low: float  # confidence, not with it
    high: float  # confidence, with it
    pixels: int
    confidence: float  # mean
    right: float  # share


@dataclass(frozen=True, slots=True)
class Scores:
    """What a set of pictures says of a model. Shares are 0 to 1; NaN where nothing was counted."""

    pictures: int
    mean_iou: float  # over the concepts that occur in the truth of the set, counts summed first
    mean_iou_with_absent: float  # also over those that were only ever suggested, which have 0
    foreground_iou: float  # mean over pictures of the mean over their things, grounds left out
    pixel_accuracy: float
    boundary: float  # mean F over the concepts that occur in the truth
    absent_area: float  # share of pixels given to concepts that are not in the picture
    unlabelled: float  # share of pixels
    calibration_error: float  # ECE of labelled pixels
    instances: AveragePrecision  # mean over the concepts that have single examples
    concepts: tuple[ConceptScore, ...]  # by name
    reliability: tuple[Bin, ...]  # bins with pixels, by confidence


def counts_of(
    trial: Trial,
    suggestion: Labels,
    confidence: NDArray[np.floating] | None,
    distance: float,
    regions: Sequence[Region] | None = None,
) -> PictureCounts:
    """Compare a suggestion with the truth; borders are right within `distance` px.

    `regions` are those of the suggestion; without them single examples are not counted.
    """
    concepts = len(trial.vocabulary)
    confusion = Confusion.of(trial.truth, suggestion, concepts, trial.ignore)
    borders = BorderCounts.of(trial.truth, suggestion, concepts, distance, trial.ignore)
    calibration = Calibration.empty()
    if confidence is not None:
        calibration = Calibration.of(trial.truth, suggestion, confidence, trial.ignore)
    iou, names = confusion.iou, trial.vocabulary.names
    things = [label for label in trial.present if names[label - 1] not in trial.grounds]
    return PictureCounts(
        name=trial.name,
        concepts=names,
        areas=Areas.of(confusion),
        borders=borders,
        calibration=calibration,
        absent=AbsentArea.of(trial.truth, suggestion, trial.absent, trial.ignore),
        foreground_iou=_mean(iou[label - 1] for label in things),
        mean_iou=_mean(iou[label - 1] for label in trial.present),
        matches=() if regions is None else _matches(trial, regions),
    )


def scores_of(pictures: Sequence[PictureCounts]) -> Scores:
    """Sum the counts, concept by concept, and ask once."""
    concepts = _concept_scores(pictures)
    calibration = sum((each.calibration for each in pictures), Calibration.empty())
    total = _Totals.of(pictures)
    return Scores(
        pictures=len(pictures),
        mean_iou=_mean(each.iou for each in concepts if each.true_pixels),
        mean_iou_with_absent=_mean(each.iou for each in concepts),
        foreground_iou=_mean(each.foreground_iou for each in pictures),
        pixel_accuracy=_share(total.right, total.true),
        boundary=_mean(each.boundary for each in concepts if each.true_pixels),
        absent_area=sum((each.absent for each in pictures), AbsentArea()).share,
        unlabelled=_share(total.unlabelled, total.pixels),
        calibration_error=calibration.error,
        instances=AveragePrecision(
            mean=_mean(each.instances.mean for each in concepts),
            at_50=_mean(each.instances.at_50 for each in concepts),
            at_75=_mean(each.instances.at_75 for each in concepts),
        ),
        concepts=concepts,
        reliability=_bins(calibration),
    )


@dataclass(frozen=True, slots=True)
class _Totals:
    """Pixels of a set."""

    pixels: int
    true: int  # with a true label
    right: int
    unlabelled: int

    @classmethod
    def of(cls, pictures: Iterable[PictureCounts]) -> _Totals:
        areas = [each.areas for each in pictures]
        return cls(
            pixels=sum(int(each.true.sum()) for each in areas),
            true=sum(int(each.true[1:].sum()) for each in areas),
            right=sum(int(each.right[1:].sum()) for each in areas),
            unlabelled=sum(int(each.suggested[0]) for each in areas),
        )


def _matches(trial: Trial, regions: Sequence[Region]) -> tuple[Matches, ...]:
    """One a concept of the vocabulary."""
    if trial.instances is None:
        return ()
    examples, crowds, said = map(_by_concept, (trial.instances, trial.crowds, regions))
    return tuple(
        matches_of(said.get(name, ()), examples.get(name, ()), crowds.get(name, ()))
        for name in trial.vocabulary.names
    )


def _by_concept(regions: Iterable[Region]) -> Mapping[str, Sequence[Region]]:
    found: dict[str, list[Region]] = {}
    for region in regions:
        found.setdefault(region.concept, []).append(region)
    return found


def _bins(calibration: Calibration) -> tuple[Bin, ...]:
    return tuple(
        Bin(number / BINS, (number + 1) / BINS, int(pixels), sure / pixels, right / pixels)
        for number, (pixels, right, sure) in enumerate(
            zip(
                calibration.pixels.tolist(),
                calibration.right.tolist(),
                calibration.confidence.tolist(),
                strict=True,
            )
        )
        if pixels
    )


def _concept_scores(pictures: Sequence[PictureCounts]) -> tuple[ConceptScore, ...]:
    names = sorted({name for each in pictures for name in each.concepts})
    row_of = {name: row for row, name in enumerate(names)}
    areas = np.zeros((3, len(names)), np.int64)  # hits, true, suggested
    borders = np.zeros((4, len(names)), np.int64)
    matches: list[list[Matches]] = [[] for _ in names]
    for each in pictures:
        rows = [row_of[name] for name in each.concepts]
        own = each.areas
        areas[:, rows] += [own.right[1:], own.true[1:], own.suggested[1:]]
        seen = each.borders
        borders[:, rows] += [seen.true, seen.true_found, seen.suggested, seen.suggested_right]
        if each.matches:
            for row, found in zip(rows, each.matches, strict=True):
                matches[row].append(found)
    f_scores = BorderCounts(*borders).f_score
    return tuple(
        ConceptScore(
            name=name,
            iou=_share(int(hits), int(true + suggested - hits)),
            boundary=float(f_scores[row]),
            true_pixels=int(true),
            suggested_pixels=int(suggested),
            examples=sum(found.examples for found in matches[row]),
            instances=average_precision(matches[row]),
        )
        for row, (name, hits, true, suggested) in enumerate(zip(names, *areas, strict=True))
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def _mean(values: Iterable[float]) -> float:
    """Of the numbers among them; NaN when there is none."""
    numbers = [float(value) for value in values if not math.isnan(value)]
    return math.fsum(numbers) / len(numbers) if numbers else math.nan
