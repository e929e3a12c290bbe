"""Another threshold on a suggestion that is there: no network, no refinement."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.label_map import UNLABELLED, LabelMap, label_dtype
from ovseg_annotate.region_options import RegionOptions


def without_weak(label_map: LabelMap, threshold: float) -> LabelMap:
    """Leave pixels below the threshold unlabelled; a concept's own threshold goes first.

    A map made with threshold 0 gives exactly what a session gives with this threshold.
    """
    levels = [threshold if c.threshold is None else c.threshold for c in label_map.vocabulary]
    # As unsigned integers, halves from 0 up keep their order, and are compared many at a time.
    bits = np.array([0, *map(_smallest_half, levels)], np.float16).view(np.uint16)
    confidence = label_map.confidence.view(np.uint16)
    own = any(c.threshold is not None for c in label_map.vocabulary)
    weak = confidence < (bits[label_map.labels] if own else bits[-1])
    labels = label_map.labels.copy()
    labels[weak] = UNLABELLED
    return replace(label_map, labels=labels)


def sieved(label_map: LabelMap, options: RegionOptions) -> NDArray[np.unsignedinteger]:
    """The labels without regions that are too small: the pixels of `regions_of`."""
    vocabulary = label_map.vocabulary
    if options.minimum_area <= 1:
        return label_map.labels
    from ovseg_annotate.runs import components_of, runs_of  # noqa: PLC0415  slow to import
    from ovseg_annotate.sieve import with_small_merged, without_small  # noqa: PLC0415  likewise

    sieve = with_small_merged if options.small == "merge" else without_small
    kept = sieve(components_of(runs_of(label_map.labels)), options.minimum_area)
    values = kept.labels[kept.runs.values].astype(label_dtype(vocabulary))
    return np.repeat(values, np.diff(kept.runs.bounds)).reshape(label_map.labels.shape)


def _smallest_half(level: float) -> np.float16:
    """The smallest half that is not below a level in single precision."""
    half = np.float16(level)
    if np.float32(half) < np.float32(level):
        half = np.nextafter(half, np.float16(np.inf))
    return half
