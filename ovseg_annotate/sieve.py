"""Remove regions below a minimum area, or give them to a neighbour."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.label_map import UNLABELLED
from ovseg_annotate.runs import OUTSIDE, Components, components_of, touching


def small_ones(components: Components, minimum_area: int) -> NDArray[np.bool_]:
    """Mark the labelled components of fewer pixels, (components,)."""
    small: NDArray[np.bool_] = components.areas < minimum_area
    small &= components.labels != UNLABELLED
    return small


def without_small(components: Components, minimum_area: int) -> Components:
    """Leave labelled components below the minimum area unlabelled."""
    small = small_ones(components, minimum_area)
    if not small.any():
        return components
    return _relabelled(components, np.where(small, UNLABELLED, components.labels))


def with_small_merged(components: Components, minimum_area: int) -> Components:
    """Give labelled components below the minimum area to the neighbour with the longest border.

    The neighbour may be unlabelled. A small one among small ones waits until a neighbour has
    grown; without any large neighbour it is left unlabelled.
    """
    while (small := small_ones(components, minimum_area)).any():
        takers = _longest_borders(components, small)
        given = takers >= 0
        if not given.any():
            return without_small(components, minimum_area)
        labels = components.labels.copy()
        labels[given] = components.labels[takers[given]]
        components = _relabelled(components, labels)
    return components


def _longest_borders(components: Components, small: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The large neighbour of each small component, (components,); -1 where there is none."""
    runs = components.runs
    chosen = np.flatnonzero(small[runs.values])
    above, below = touching(runs, chosen, -1), touching(runs, chosen, 1)
    rows = runs.starts // runs.size.width
    has_left = chosen[(chosen > 0) & (rows[chosen] == rows[chosen - 1])]
    after = np.minimum(chosen + 1, len(rows) - 1)
    has_right = chosen[(after > chosen) & (rows[chosen] == rows[after])]
    own = np.concatenate((above.runs, below.runs, has_left, has_right))
    other = np.concatenate((above.others, below.others, has_left - 1, has_right + 1))
    length = np.concatenate(
        (
            above.stops - above.starts,
            below.stops - below.starts,
            np.ones(len(has_left) + len(has_right), np.int64),
        )
    )
    usable = (other != OUTSIDE) & ~small[runs.values[other]]
    count = len(components)
    pair = runs.values[own[usable]].astype(np.int64) * count + runs.values[other[usable]]
    pairs, number = np.unique(pair, return_inverse=True)
    lengths = np.bincount(number, length[usable], len(pairs))
    order = np.argsort(lengths, kind="stable")  # the longest is written last
    takers = np.full(count, -1, np.int64)
    takers[pairs[order] // count] = pairs[order] % count
    return takers


def _relabelled(components: Components, labels: NDArray[np.int32]) -> Components:
    return components_of(components.runs.with_values(labels[components.runs.values]))
