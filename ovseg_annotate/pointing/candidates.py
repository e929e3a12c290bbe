"""Which of the regions that hold a mark is the thing that was meant.

A marked leaf is part of ever larger regions. What speaks for one of them: it takes much to merge
it with anything else, the marks lie near its middle, and it is no larger than it has to be. The
weights were fitted so that the region chosen overlaps the true object most, on generated scenes
and microscopy that no measurement uses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.pointing.growing import MergeTree
from ovseg_annotate.pointing.leaves import Leaves
from ovseg_annotate.pointing.marks import Place

_LEAST_AREA = 4.0  # working px


@dataclass(frozen=True, slots=True)
class Signs:
    """What speaks for a region."""

    lasts: float  # log of the cost at which it becomes part of something larger
    centrality: float  # distance of the marks from its outside, in radii of a disc as large
    size: float  # log of the root of its area in px of the picture
    against: float  # distance of the marks on its wrong side from its border, in the same radii
    words: float  # probability of the concept inside less that around it; 0 without words


_WEIGHTS = Signs(lasts=2.1, centrality=2.0, size=-2.4, against=-4.0, words=6.0)


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A region of a view that may be what was meant."""

    leaves: Leaves
    members: NDArray[np.bool_]  # (leaves,)
    signs: Signs

    @property
    def rank(self) -> float:
        """Larger for what looks more like one thing that was meant."""
        weighted = zip(astuple(_WEIGHTS), astuple(self.signs), strict=True)
        return float(sum(weight * sign for weight, sign in weighted))

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(height, width) of the view."""
        held: NDArray[np.bool_] = self.members[self.leaves.numbers]
        return held


def candidates(
    leaves: Leaves,
    tree: MergeTree,
    wanted: Sequence[Place],
    unwanted: Sequence[Place],
    likely: NDArray[np.float64] | None,
) -> Iterator[Candidate]:
    """Regions that hold a wanted place.

    `likely` is the probability of the concept in each leaf, where words were given.
    """
    starts = {_leaf_at(leaves, place) for place in wanted}
    nodes = sorted({node for leaf in starts for node in tree.path_up(leaf)})
    for node in nodes:
        members = tree.members(node)
        whole = tree.parents[node] < 0
        if (whole and len(nodes) > 1) or leaves.areas[members].sum() < _LEAST_AREA:
            continue
        lasts = tree.heights[node if whole else tree.parents[node]]
        yield Candidate(leaves, members, _signs(leaves, members, lasts, (wanted, unwanted), likely))


def _leaf_at(leaves: Leaves, place: Place) -> int:
    return int(leaves.numbers[leaves.view.pixel_at(place.x, place.y)])


def _signs(
    leaves: Leaves,
    members: NDArray[np.bool_],
    lasts: float,
    places: tuple[Sequence[Place], Sequence[Place]],
    likely: NDArray[np.float64] | None,
) -> Signs:
    across, down = leaves.view.zoom
    area = float(leaves.areas[members].sum())
    radius = float(np.sqrt(area / np.pi))
    wanted, unwanted = (_depths(leaves, members, some) / radius for some in places)
    wrong = np.concatenate([-wanted[wanted < 0], unwanted[unwanted > 0]])
    return Signs(
        lasts=float(np.log(lasts + 0.2)),
        centrality=min(float(np.maximum(wanted, 0).mean()), 1.2),
        size=float(np.log(area / (across * down)) / 2),
        against=float(np.minimum(wrong, 2.0).sum()),
        words=0.0 if likely is None else _contrast(leaves, members, likely),
    )


def _contrast(leaves: Leaves, members: NDArray[np.bool_], likely: NDArray[np.float64]) -> float:
    one, other = members[leaves.pairs[:, 0]], members[leaves.pairs[:, 1]]
    rim = one != other
    if not rim.any():
        return 0.0
    around = np.where(one, leaves.pairs[:, 1], leaves.pairs[:, 0])[rim]
    inside = float(np.average(likely[members], weights=leaves.areas[members]))
    return inside - float(np.average(likely[around], weights=leaves.lengths[rim]))


def _depths(
    leaves: Leaves, members: NDArray[np.bool_], places: Sequence[Place]
) -> NDArray[np.float64]:
    """How far each place lies inside a region in working px, negative outside."""
    across, down = leaves.view.zoom
    depths = []
    for place in places:
        distances = np.hypot((leaves.x - place.x) * across, (leaves.y - place.y) * down)
        inside = members[_leaf_at(leaves, place)]
        beyond = members != inside
        nearest = float(distances[beyond].min()) if beyond.any() else 0.0
        depths.append(nearest if inside else -nearest)
    return np.array(depths)
