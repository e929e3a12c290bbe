"""Part objects that touch: one component becomes one region for each object.

By shape, objects part at their necks: the distance to the border rises towards the middle of each
object and falls between them. By score, they part in the valleys of the confidence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage import morphology, segmentation

from ovseg_annotate.errors import OptionError
from ovseg_annotate.label_map import UNLABELLED
from ovseg_annotate.region_options import SplitOptions
from ovseg_annotate.runs import Components, RunMap, box_of, components_of, painted_in, runs_of

LARGEST_BOX = 1 << 24  # pixels; a component with a larger box stays whole
_CROSS = ndimage.generate_binary_structure(2, 1)


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Components after splitting; their numbers are new."""

    components: Components
    too_large: int  # components that stayed whole because of LARGEST_BOX


def split_mask(
    mask: NDArray[np.bool_], options: SplitOptions, confidence: NDArray[np.floating] | None = None
) -> NDArray[np.int32]:
    """Number the objects of one component from 1, (height, width); 0 outside.

    `confidence` has the shape of the mask and is needed to split by score.
    """
    if options.by == "score" and confidence is None:
        raise OptionError("to split by score, give the confidence of the pixels, or use by='shape'")
    if options.by == "shape" or confidence is None:
        heights, depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1], options.neck
    else:
        heights, depth = _blurred(confidence, mask, options.smoothing), options.valley
    framed = np.pad(mask, 1)
    heights = np.pad(np.where(mask, heights, -1).astype(np.float32), 1, constant_values=-1)
    summits = morphology.local_maxima(heights, connectivity=1)  # type: ignore[no-untyped-call]
    summits = summits.view(np.bool_) & framed
    markers, count = ndimage.label(summits, _CROSS)
    if count < 2:
        return mask.astype(np.int32)
    basins = segmentation.watershed(  # type: ignore[no-untyped-call]
        -heights, markers, connectivity=1, mask=framed
    )
    levels = np.full(count + 1, -1, np.float32)
    levels[markers[summits]] = heights[summits]
    objects = _joined(levels, _passes(basins, heights), depth)
    return np.asarray(objects[basins[1:-1, 1:-1]], np.int32)


def split_components(
    components: Components, options: SplitOptions, confidence: NDArray[np.floating]
) -> Split:
    """Split every labelled component whose box is not too large for it."""
    runs = components.runs
    kept = np.ones(len(runs.values), np.bool_)
    starts, values, labels = [], [], [components.labels]
    total, too_large = len(components), 0
    for number, chosen in enumerate(components.members()):
        if components.labels[number] == UNLABELLED:
            continue
        box = box_of(runs, chosen)
        if box.size.area > LARGEST_BOX:
            too_large += 1
            continue
        objects = split_mask(painted_in(box, runs, chosen), options, confidence[box.slices])
        if (count := int(objects.max())) < 2:
            continue
        pieces = runs_of(objects)
        inside = pieces.values > 0
        rows, columns = np.divmod(pieces.starts[inside], box.width)
        starts.append((rows + box.top) * runs.size.width + columns + box.left)
        values.append(pieces.values[inside] + (total - 1))
        labels.append(np.full(count, components.labels[number], np.int32))
        kept[chosen] = False
        total += count
    if not starts:
        return Split(components, too_large)
    starts, values = [runs.starts[kept], *starts], [runs.values[kept], *values]
    joined = np.concatenate(starts)
    order = np.argsort(joined)
    owners = np.concatenate(values)[order].astype(np.int32)
    bounds = np.append(joined[order], runs.size.area)
    parts = components_of(RunMap(runs.size, bounds, owners))
    return Split(replace(parts, labels=np.concatenate(labels)[parts.labels]), too_large)


def _joined(
    levels: NDArray[np.float32], passes: Iterable[tuple[int, int, float]], depth: float
) -> NDArray[np.int32]:
    """Join basins of which one rises less than `depth` above the pass between them.

    `levels` are the heights of their summits. Gives the number of the object of each basin;
    basin 0 is the outside.
    """
    summits = levels.tolist()
    parents = list(range(len(summits)))

    def root(basin: int) -> int:
        while parents[basin] != basin:
            parents[basin] = parents[parents[basin]]
            basin = parents[basin]
        return basin

    for one, other, height in passes:
        low, high = sorted((root(one), root(other)), key=lambda basin: summits[basin])
        if summits[low] - height < depth:
            parents[low] = high
    roots = [root(basin) for basin in range(len(summits))]
    return np.unique(roots, return_inverse=True)[1].astype(np.int32)


def _passes(
    basins: NDArray[np.int32], heights: NDArray[np.float32]
) -> Iterator[tuple[int, int, float]]:
    """Two neighbouring basins and the height of the pass between them, the highest first."""
    pairs, levels = [], []
    for one, other in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        border = (basins[one] != basins[other]) & (basins[one] > 0) & (basins[other] > 0)
        pairs.append(np.sort(np.stack((basins[one][border], basins[other][border])), axis=0))
        levels.append(np.minimum(heights[one][border], heights[other][border]))
    (low, high), level = np.concatenate(pairs, axis=1), np.concatenate(levels)
    order = np.lexsort((-level, high, low))
    low, high, level = low[order], high[order], level[order]
    first = np.append(True, (low[1:] != low[:-1]) | (high[1:] != high[:-1]))[: len(low)]
    order = np.flatnonzero(first)[np.argsort(-level[first], kind="stable")]
    yield from zip(low[order].tolist(), high[order].tolist(), level[order].tolist(), strict=True)


def _blurred(
    confidence: NDArray[np.floating], mask: NDArray[np.bool_], sigma: float
) -> NDArray[np.float32]:
    """Blur within the mask only: what is outside must not make valleys along the border."""
    inside = np.where(mask, confidence, 0).astype(np.float32)
    if sigma == 0:
        return inside
    weight = ndimage.gaussian_filter(mask.astype(np.float32), sigma)
    blurred = ndimage.gaussian_filter(inside, sigma) / np.maximum(weight, 1e-6)
    return np.where(mask, blurred, 0).astype(np.float32)
