"""One answer for each given region: the mean of its probabilities, or its most frequent label.

Regions are a map of numbers, (height, width) int32: each number above 0 is one region, and pixels
of 0 keep their own answer. They come from masks a person or another engine drew, or from
`superpixels`. Everything runs in strips of rows, so that memory grows with the regions and not
with concepts x pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.errors import ImageError
from ovseg_annotate.geometry import Size
from ovseg_annotate.label_map import LabelMap

RegionMap = NDArray[np.int32]

_STRIP_PIXELS = 2**20


def region_map_of(masks: Iterable[NDArray[np.bool_]], size: Size) -> RegionMap:
    """Number masks of the whole picture from 1; where two overlap, the smaller one stays whole."""
    regions = np.zeros((size.height, size.width), np.int32)
    numbered = list(enumerate(masks, start=1))
    for number, mask in numbered:
        if mask.shape != regions.shape:
            raise ImageError(
                f"mask {number} has shape {mask.shape}; the picture has {regions.shape}; "
                "give each mask at the size of the whole picture"
            )
    for number, mask in sorted(numbered, key=lambda each: -np.count_nonzero(each[1])):
        regions[mask] = number
    return regions


class MeanVote:
    """Sums up the probabilities inside each region, a strip or window at a time."""

    def __init__(self, regions: int, concepts: int) -> None:
        self._sums = np.zeros((concepts, regions + 1))
        self._pixels = np.zeros(regions + 1, np.int64)

    def add(self, probabilities: NDArray[np.float32], regions: RegionMap) -> None:
        """Count one part of the picture: probabilities (k, h, w), regions (h, w)."""
        _check(regions, probabilities.shape[1:], len(self._pixels) - 1)
        for rows in _strips(regions):
            numbers = regions[rows].ravel()
            self._pixels += np.bincount(numbers, minlength=len(self._pixels))
            for concept, values in enumerate(probabilities):
                self._sums[concept] += np.bincount(
                    numbers, values[rows].ravel(), minlength=len(self._pixels)
                )

    def means(self) -> NDArray[np.float32]:
        """(concepts, regions + 1); regions without a pixel have 0."""
        return (self._sums / np.maximum(self._pixels, 1)).astype(np.float32)

    def voted(self, probabilities: NDArray[np.float32], regions: RegionMap) -> NDArray[np.float32]:
        """The part of the picture again, with the region's mean in every pixel of a region."""
        means = self.means()
        result = probabilities.copy()
        for rows in _strips(regions):
            inside = regions[rows] > 0
            for concept, values in enumerate(result):
                values[rows][inside] = means[concept][regions[rows][inside]]
        return result


def mean_vote(probabilities: NDArray[np.float32], regions: RegionMap) -> NDArray[np.float32]:
    """Give every region its mean probabilities; (k, h, w) of a whole picture in and out."""
    vote = MeanVote(int(regions.max(initial=0)), len(probabilities))
    vote.add(probabilities, regions)
    return vote.voted(probabilities, regions)


def mode_vote(label_map: LabelMap, regions: RegionMap) -> LabelMap:
    """Give every region its most frequent label; equally frequent: the surer one, then the lower.

    Its confidence is the mean over the region, where a pixel that voted otherwise counts 0; its
    margin the distance to the runner-up counted the same way.
    """
    _check(regions, label_map.labels.shape, None)
    polls = _Polls.of(label_map, regions)
    order = np.lexsort((polls.labels, -polls.confidence, -polls.pixels, polls.regions))
    _, first = np.unique(polls.regions[order], return_index=True)
    winners = order[first]
    totals = np.add.reduceat(polls.pixels[order], first)
    second = first + 1
    # A region of one label has no runner-up: the next poll belongs to another region.
    contested = np.diff(np.append(first, len(order))) > 1
    runner_up = np.zeros(len(first))
    runner_up[contested] = polls.confidence[order[second[contested]]]
    confidence = polls.confidence[winners] / totals
    margin = np.maximum(polls.confidence[winners] - runner_up, 0) / totals

    labels = label_map.labels.copy()
    sure, ahead = label_map.confidence.copy(), label_map.margin.copy()
    numbers = polls.regions[winners]
    for rows in _strips(regions):
        inside = regions[rows] > 0
        places = np.searchsorted(numbers, regions[rows][inside])
        labels[rows][inside] = polls.labels[winners][places]
        sure[rows][inside] = confidence[places]
        ahead[rows][inside] = margin[places]
    return replace(label_map, labels=labels, confidence=sure, margin=ahead)


@dataclass(frozen=True, slots=True, eq=False)
class _Polls:
    """How often each label occurs in each region: four columns, sorted by region and label."""

    regions: NDArray[np.int64]
    labels: NDArray[np.int64]
    pixels: NDArray[np.int64]
    confidence: NDArray[np.float64]  # sum over the pixels

    @classmethod
    def of(cls, label_map: LabelMap, regions: RegionMap) -> _Polls:
        span = np.iinfo(label_map.labels.dtype).max + 1
        codes = np.zeros(0, np.int64)
        pixels = np.zeros(0, np.int64)
        confidence: NDArray[np.float64] = np.zeros(0)
        for rows in _strips(regions):
            inside = regions[rows] > 0
            strip = regions[rows][inside].astype(np.int64) * span + label_map.labels[rows][inside]
            weights = label_map.confidence[rows][inside].astype(np.float64)
            codes, places = np.unique(np.concatenate([codes, strip]), return_inverse=True)
            ones = np.concatenate([pixels, np.ones(len(strip), np.int64)])
            pixels = np.bincount(places, ones, minlength=len(codes)).astype(np.int64)
            sums = np.concatenate([confidence, weights])
            confidence = np.bincount(places, sums, minlength=len(codes)).astype(np.float64)
        return cls(codes // span, codes % span, pixels, confidence)


def _check(regions: RegionMap, shape: tuple[int, ...], highest: int | None) -> None:
    if regions.shape != tuple(shape):
        raise ImageError(
            f"the region map has shape {regions.shape}, the picture {tuple(shape)}; "
            "give one region number for each pixel"
        )
    if regions.size and regions.min() < 0:
        raise ImageError(
            f"region numbers start at 1, 0 keeps a pixel as it is; got {regions.min()}"
        )
    if highest is not None and regions.size and regions.max() > highest:
        raise ImageError(f"region {regions.max()} is out of range; {highest} were announced")


def _strips(regions: RegionMap) -> Iterator[slice]:
    height, width = regions.shape
    rows = max(1, _STRIP_PIXELS // max(width, 1))
    for top in range(0, height, rows):
        yield slice(top, min(top + rows, height))
