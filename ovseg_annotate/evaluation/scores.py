"""From counts of single pictures to the scores of a set."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.evaluation.absent import AbsentArea
from ovseg_annotate.evaluation.boundary import BorderCounts
from ovseg_annotate.evaluation.calibration import Calibration
from ovseg_annotate.evaluation.confusion import Confusion, Labels
from ovseg_annotate.evaluation.trials import Trial


@dataclass(frozen=True, slots=True, eq=False)
class PictureCounts:
    """One picture, counted; label k + 1 is `concepts[k]`."""

    name: str
    concepts: tuple[str, ...]
    confusion: Confusion
    borders: BorderCounts
    calibration: Calibration
    absent: AbsentArea
    foreground_iou: float  # mean over the things that the truth has; NaN when it has none
    mean_iou: float  # mean over all that the truth has


@dataclass(frozen=True, slots=True)
class ConceptScore:
    """One concept over all pictures in which it was asked for."""

    name: str
    iou: float  # NaN: neither there nor suggested
    boundary: float  # F; NaN: no border on either side
    true_pixels: int
    suggested_pixels: int


@dataclass(frozen=True, slots=True)
class Bin:
    """One bar of a reliability plot."""

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
    concepts: tuple[ConceptScore, ...]  # by name
    reliability: tuple[Bin, ...]  # bins with pixels, by confidence


def counts_of(
    trial: Trial,
    suggestion: Labels,
    confidence: NDArray[np.floating] | None,
    distance: float,
) -> PictureCounts:
    """Compare a suggestion with the truth; borders are right within `distance` px."""
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
        confusion=confusion,
        borders=borders,
        calibration=calibration,
        absent=AbsentArea.of(trial.truth, suggestion, trial.absent, trial.ignore),
        foreground_iou=_mean(iou[label - 1] for label in things),
        mean_iou=_mean(iou[label - 1] for label in trial.present),
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
        concepts=concepts,
        reliability=tuple(
            Bin(int(pixels), float(sure / pixels), float(right / pixels))
            for pixels, right, sure in zip(
                calibration.pixels, calibration.right, calibration.confidence, strict=True
            )
            if pixels
        ),
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
        counts = [each.confusion.counts for each in pictures]
        return cls(
            pixels=sum(int(each.sum()) for each in counts),
            true=sum(int(each[1:].sum()) for each in counts),
            right=sum(int(np.diag(each)[1:].sum()) for each in counts),
            unlabelled=sum(int(each[:, 0].sum()) for each in counts),
        )


def _concept_scores(pictures: Sequence[PictureCounts]) -> tuple[ConceptScore, ...]:
    names = sorted({name for each in pictures for name in each.concepts})
    row_of = {name: row for row, name in enumerate(names)}
    areas = np.zeros((3, len(names)), np.int64)  # hits, true, suggested
    borders = np.zeros((4, len(names)), np.int64)
    for each in pictures:
        rows = [row_of[name] for name in each.concepts]
        counts = each.confusion.counts
        areas[:, rows] += [np.diag(counts)[1:], counts.sum(axis=1)[1:], counts.sum(axis=0)[1:]]
        seen = each.borders
        borders[:, rows] += [seen.true, seen.true_found, seen.suggested, seen.suggested_right]
    f_scores = BorderCounts(*borders).f_score
    return tuple(
        ConceptScore(
            name=name,
            iou=_share(int(hits), int(true + suggested - hits)),
            boundary=float(f_scores[row]),
            true_pixels=int(true),
            suggested_pixels=int(suggested),
        )
        for row, (name, hits, true, suggested) in enumerate(zip(names, *areas, strict=True))
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def _mean(values: Iterable[float]) -> float:
    """Of the numbers among them; NaN when there is none."""
    numbers = [float(value) for value in values if not math.isnan(value)]
    return math.fsum(numbers) / len(numbers) if numbers else math.nan
