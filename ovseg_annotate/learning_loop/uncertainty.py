"""How unsure a label map is: pixel by pixel, region by region, picture by picture.

Every border is unsure along a thin line, and a large even area where the engine hesitates a little
outweighs everything else in a sum, and much else in a mean. So regions and pictures are judged by
their most uncertain patches, squares of one size: a clear border fills little of a patch and an
unclear one much of it, and what lies beyond the patch counts nothing, however large it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.geometry import Size, Window
from ovseg_annotate.label_map import UNLABELLED, LabelMap
from ovseg_annotate.regions import Region, mask_of

Measure: TypeAlias = Literal["margin", "entropy"]

_PATCHES_ACROSS = 16  # of the picture's shorter side
_SMALLEST_STEP = 4  # px, half a patch
_PATCHES = 4  # that judge a picture: several unclear places are worth more than one
_PRESENT = 0.1  # share of a patch from which a concept counts as being there


@dataclass(frozen=True, slots=True)
class Patch:
    """A square in which a picture or a region is unsure."""

    window: Window
    uncertainty: float  # 0 to 1, mean over its pixels
    concepts: tuple[str, ...] = ()  # one or two that meet there, the larger first; "" unlabelled


@dataclass(frozen=True, slots=True)
class PictureUncertainty:
    """How much a picture's suggestion is in doubt, and where."""

    uncertainty: float  # 0 to 1, mean over the patches
    patches: tuple[Patch, ...]  # the most uncertain first; none overlaps another


@dataclass(frozen=True, slots=True)
class RegionUncertainty:
    """How much a region is in doubt, and where."""

    number: int  # its place among the regions that were asked about
    patch: Patch


def pixel_uncertainty(
    label_map: LabelMap, others: Sequence[LabelMap] = (), measure: Measure = "margin"
) -> NDArray[np.float32]:
    """(height, width), 0 (sure) to 1, from one label map or from several of the same picture.

    `others` come from other engines, scales or versions. Where they disagree, a pixel is in doubt
    however sure each of them is: the result is the chance that either reason holds.
    """
    of_one = _from_margin if measure == "margin" else _from_entropy
    if not others:
        return of_one(label_map)
    doubt = np.mean([of_one(each) for each in (label_map, *others)], axis=0, dtype=np.float32)
    apart = disagreement((label_map, *others))
    either: NDArray[np.float32] = 1 - (1 - doubt) * (1 - apart)
    return either


def disagreement(label_maps: Sequence[LabelMap]) -> NDArray[np.float32]:
    """(height, width): the share of pairs of maps that name different concepts."""
    if len(label_maps) < 2:
        raise ValueError(f"disagreement needs two label maps or more, got {len(label_maps)}")
    if len({each.size for each in label_maps}) > 1:
        raise ValueError("label maps of different sizes are not of one picture")
    number_of: dict[str, int] = {}
    for each in label_maps:
        for name in each.vocabulary.names:
            number_of.setdefault(name.casefold(), len(number_of) + 1)
    named = []
    for each in label_maps:
        shared = [0, *(number_of[name.casefold()] for name in each.vocabulary.names)]
        named.append(np.array(shared, np.int32)[each.labels])
    apart = np.zeros(named[0].shape, np.float32)
    for one, other in combinations(named, 2):
        apart += one != other
    apart /= math.comb(len(named), 2)
    return apart


def picture_uncertainty(
    label_map: LabelMap, uncertainty: NDArray[np.float32]
) -> PictureUncertainty:
    """Judge a picture by its most uncertain patches."""
    step = patch_step(label_map.size)
    means = _Means.of(uncertainty, None, step)
    patches = tuple(
        Patch(means.window(place), means.value(place), _concepts_in(label_map, means.window(place)))
        for place in means.largest(_PATCHES)
    )
    mean = math.fsum(each.uncertainty for each in patches) / len(patches) if patches else 0.0
    return PictureUncertainty(mean, patches)


def ranked_regions(
    regions: Sequence[Region], uncertainty: NDArray[np.float32]
) -> tuple[RegionUncertainty, ...]:
    """The regions of a picture, the most uncertain first; those without a pixel are left out."""
    size = Size(*uncertainty.shape)
    judged = list(_judged(regions, uncertainty, size))
    return tuple(sorted(judged, key=lambda each: (-each.patch.uncertainty, each.number)))


def patch_step(size: Size) -> int:
    """Half the side of a patch, px."""
    return max(_SMALLEST_STEP, min(size.height, size.width) // (2 * _PATCHES_ACROSS))


def _judged(
    regions: Sequence[Region], uncertainty: NDArray[np.float32], size: Size
) -> Iterator[RegionUncertainty]:
    step = patch_step(size)
    for number, region in enumerate(regions):
        mask = mask_of(region, size)
        if not mask.area:
            continue
        means = _Means.of(uncertainty[mask.box.slices], mask.array(), step)
        (place,) = means.largest(1)
        inside = means.window(place)
        window = Window(
            inside.top + mask.box.top, inside.left + mask.box.left, inside.height, inside.width
        )
        yield RegionUncertainty(number, Patch(window, means.value(place), (region.concept,)))


def _from_margin(label_map: LabelMap) -> NDArray[np.float32]:
    doubt: NDArray[np.float32] = 1 - label_map.margin.astype(np.float32)
    return np.clip(doubt, 0, 1, out=doubt)


def _from_entropy(label_map: LabelMap) -> NDArray[np.float32]:
    """The entropy of winner, runner-up and all the rest, which is what a label map keeps."""
    best = label_map.confidence.astype(np.float32)
    second = np.maximum(best - label_map.margin.astype(np.float32), 0)
    rest = np.maximum(1 - best - second, 0)
    total = np.maximum(best + second + rest, 1e-6)  # independent probabilities may sum to more
    entropy = np.zeros(best.shape, np.float32)
    for part in (best, second, rest):
        share = part / total
        entropy -= share * np.log(np.maximum(share, 1e-12))
    entropy /= math.log(3)
    return np.clip(entropy, 0, 1, out=entropy)


def _concepts_in(label_map: LabelMap, window: Window) -> tuple[str, ...]:
    labels, counts = np.unique(label_map.labels[window.slices], return_counts=True)
    order = np.argsort(-counts, kind="stable")[:2]
    names = ("", *label_map.vocabulary.names)
    least = _PRESENT * counts.sum()
    found = [int(labels[place]) for place in order if counts[place] >= least]
    return tuple(names[label] if label != UNLABELLED else "" for label in found)


@dataclass(frozen=True, slots=True, eq=False)
class _Means:
    """The mean uncertainty of every patch, half a patch apart."""

    values: NDArray[np.float64]  # (rows, columns)
    size: Size  # px
    step: int  # px

    @classmethod
    def of(
        cls, uncertainty: NDArray[np.float32], mask: NDArray[np.bool_] | None, step: int
    ) -> _Means:
        """Over the pixels of the mask; patches that hold few of them count for less."""
        counted = np.ones(uncertainty.shape, np.float32) if mask is None else mask
        sums = _patch_sums(uncertainty * counted, step)
        areas = _patch_sums(counted, step)
        # A speck is no patch: below a quarter, area that is not there counts as sure.
        means = sums / np.maximum(areas, step * step)
        return cls(means, Size(*uncertainty.shape), step)

    def window(self, place: int) -> Window:
        row, column = divmod(place, self.values.shape[1])
        top, left = row * self.step, column * self.step
        bottom = min(top + 2 * self.step, self.size.height)
        right = min(left + 2 * self.step, self.size.width)
        return Window(top, left, bottom - top, right - left)

    def value(self, place: int) -> float:
        return float(self.values.flat[place])

    def largest(self, count: int) -> list[int]:
        """The places of the largest means whose patches do not overlap, the largest first."""
        left = self.values.copy()
        places: list[int] = []
        while len(places) < count and (place := int(left.argmax())) >= 0 and left.flat[place] >= 0:
            row, column = divmod(place, left.shape[1])
            left[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2] = -1
            places.append(place)
        return places


def _patch_sums(values: NDArray[np.float32] | NDArray[np.bool_], step: int) -> NDArray[np.float64]:
    """Sums over squares of 2 x 2 blocks, one block apart; what is one block wide is one square."""
    rows, columns = (np.arange(0, length, step) for length in values.shape)
    down = np.add.reduceat(values, rows, axis=0, dtype=np.float64)
    blocks: NDArray[np.float64] = np.add.reduceat(down, columns, axis=1)
    if len(rows) > 1:
        blocks = blocks[:-1] + blocks[1:]
    if len(columns) > 1:
        blocks = blocks[:, :-1] + blocks[:, 1:]
    return blocks
