"""How well single examples are found: average precision as COCO defines it.

Suggestions of a concept are taken strongest first, at most 100 a picture. Each is given the
example that it overlaps most, if that reaches the demanded IoU and no stronger suggestion has it.
Precision, made falling, is read at 101 recalls and averaged, as in "Microsoft COCO: common objects
in context" (Lin et al., ECCV 2014) and the evaluation program that belongs to it. What lies in a
crowd, an area of examples that nobody told apart, is neither right nor wrong.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.evaluation.instances import overlaps
from ovseg_annotate.regions import Mask, Region

MOST_SUGGESTIONS = 100  # of a concept in a picture
THRESHOLDS = np.linspace(0.5, 0.95, 10)  # of IoU
_PLACE_OF_75 = 5
_RECALLS = np.linspace(0.0, 1.0, 101)
_TAKEN = -1.0  # no IoU


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """One concept in one picture: which suggestions are right, at each of THRESHOLDS."""

    examples: int
    confidence: NDArray[np.float64]  # (suggestions,) falling
    right: NDArray[np.bool_]  # (thresholds, suggestions)
    counted: NDArray[np.bool_]  # (thresholds, suggestions); False for those in a crowd


@dataclass(frozen=True, slots=True)
class AveragePrecision:
    """0 to 1; NaN where there are no examples."""

    mean: float = math.nan  # over THRESHOLDS
    at_50: float = math.nan
    at_75: float = math.nan


def matches_of(
    suggestions: Sequence[Region], examples: Sequence[Region], crowds: Sequence[Region] = ()
) -> Matches:
    """Compare the regions of one concept in one picture; every region must have its mask."""
    confidence = np.array([_confidence(each) for each in suggestions], np.float64)
    order = np.argsort(-confidence, kind="stable")[:MOST_SUGGESTIONS]
    said = [_mask(suggestions[place]) for place in order.tolist()]
    iou = _iou(said, [_mask(each) for each in examples])
    crowded = _largest_share(said, [_mask(each) for each in crowds])
    right = np.stack([_gets_an_example(iou, threshold) for threshold in THRESHOLDS])
    in_crowd = crowded >= THRESHOLDS[:, None]
    return Matches(len(examples), confidence[order], right, right | ~in_crowd)


def average_precision(pictures: Sequence[Matches]) -> AveragePrecision:
    """Of one concept, over all pictures in which it was asked for."""
    examples = sum(each.examples for each in pictures)
    if not examples:
        return AveragePrecision()
    confidence = np.concatenate([each.confidence for each in pictures])
    order = np.argsort(-confidence, kind="stable")
    right = np.concatenate([each.right for each in pictures], axis=1)[:, order]
    counted = np.concatenate([each.counted for each in pictures], axis=1)[:, order]
    areas = [
        _area_under_curve(hits[valid], examples) for hits, valid in zip(right, counted, strict=True)
    ]
    return AveragePrecision(math.fsum(areas) / len(areas), areas[0], areas[_PLACE_OF_75])


def _gets_an_example(iou: NDArray[np.float64], threshold: float) -> NDArray[np.bool_]:
    """Whether each suggestion (row, strongest first) gets an example (column) of its own."""
    found = np.zeros(len(iou), np.bool_)
    if iou.shape[1] == 0:
        return found
    free = iou.copy()
    for row, overlap in enumerate(free):
        best = len(overlap) - 1 - int(overlap[::-1].argmax())  # the last of equals, as in COCO
        if overlap[best] >= threshold:
            found[row] = True
            free[:, best] = _TAKEN
    return found


def _area_under_curve(right: NDArray[np.bool_], examples: int) -> float:
    """From suggestions in the order of falling confidence."""
    hits = np.cumsum(right)
    precision = hits / np.arange(1, len(right) + 1)
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(hits / examples, _RECALLS, side="left")
    return float(np.append(falling, 0.0)[places].mean())  # 0: a recall that is never reached


def _iou(said: list[Mask], true: list[Mask]) -> NDArray[np.float64]:
    shared = overlaps(said, true)
    either = _areas(said)[:, None] + _areas(true) - shared
    iou: NDArray[np.float64] = shared / np.maximum(either, 1)
    return iou


def _largest_share(said: list[Mask], crowds: list[Mask]) -> NDArray[np.float64]:
    """How much of each suggestion lies in the one crowd that covers it most."""
    shared = overlaps(said, crowds).max(axis=1, initial=0)
    share: NDArray[np.float64] = shared / np.maximum(_areas(said), 1)
    return share


def _areas(masks: list[Mask]) -> NDArray[np.int64]:
    return np.array([mask.area for mask in masks], np.int64)


def _confidence(region: Region) -> float:
    if region.confidence is None:
        raise ValueError(f"a suggestion of {region.concept!r} does not say how sure it is")
    return region.confidence


def _mask(region: Region) -> Mask:
    if region.mask is None:
        raise ValueError(f"a region of {region.concept!r} has no mask")
    return region.mask
