"""Which of the regions that hold a mark is the thing that was meant.

A marked leaf is part of ever larger regions. What speaks for one of them: it is unlike what it
would merge with, the marks lie near its middle, it fills a usual share of the look, and it does
not go on beyond the window. The weights are those with which the chosen region overlaps the true
object most, on generated scenes and microscopy that no measurement uses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.pointing.growing import MergeTree
from ovseg_annotate.pointing.leaves import Leaves
from ovseg_annotate.pointing.marks import Place


@dataclass(frozen=True, slots=True)
class Signs:
    """What speaks for a region."""

    apart: float  # log of how unlike it is to what it would merge with
    centrality: float  # distance of the innermost mark from its outside, in radii of its disc
    odd_size: float  # squared distance from the usual size in a look, by logarithm
    cut_off: float  # share of its outline that lies along the window's sides
    against: float  # distance of the marks on its wrong side from its border, in the same radii
    words: float  # probability of the concept inside less that around it; 0 without words


_WEIGHTS = Signs(apart=2.2, centrality=3.5, odd_size=-0.7, cut_off=-1.0, against=-2.5, words=6.0)
_LESS_OF_A_THING = 2.0  # by rank
_USUAL_SIZE = -2.5  # log of the root of its share of the look


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A region of a view that may be what was meant."""

    leaves: Leaves
    members: NDArray[np.bool_]  # (leaves,)
    unlike: float  # to what it would merge with
    signs: Signs

    @property
    def rank(self) -> float:
        """Larger for what looks more like one thing that was meant."""
        weighted = zip(astuple(_WEIGHTS), astuple(self.signs), strict=True)
        return float(sum(weight * sign for weight, sign in weighted))

    @property
    def side(self) -> float:
        """The root of its area, in px of the picture."""
        across, down = self.leaves.view.zoom
        return float(np.sqrt(self.leaves.areas[self.members].sum() / (across * down)))

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(height, width) of the view."""
        held: NDArray[np.bool_] = self.members[self.leaves.numbers]
        return held


def candidates(
    leaves: Leaves,
    tree: MergeTree,
    places: tuple[Sequence[Place], Sequence[Place]],
    likely: NDArray[np.float64] | None,
) -> list[Candidate]:
    """Regions that hold a wanted place, and the best of each of several places together.

    `places` are those wanted and those not; `likely` is the probability of the concept in each
    leaf, where words were given.
    """
    wanted, unwanted = places
    starts = dict(zip((_leaf_at(leaves, place) for place in wanted), wanted, strict=True))
    nodes = sorted({node for leaf in starts for node in tree.path_up(leaf)})
    found = [_candidate(leaves, tree, node, places, likely) for node in nodes]
    if len(starts) == 1:
        return found
    parts = [
        max(
            (_candidate(leaves, tree, node, ([place], unwanted), likely) for node in path),
            key=lambda each: each.rank,
        )
        for place, path in ((place, tree.path_up(leaf)) for leaf, place in starts.items())
    ]
    members, unlike = _together(parts, list(starts))
    together = Candidate(leaves, members, unlike, _signs(leaves, members, unlike, places, likely))
    return [*found, together]


def _together(parts: Sequence[Candidate], starts: Sequence[int]) -> tuple[NDArray[np.bool_], float]:
    """The leaves of several regions, and how unlike the best one is to what it would merge with.

    A place whose own region is much less of a thing than the best adds its leaf alone.
    """
    best = max(parts, key=lambda part: part.rank)
    members = best.members.copy()
    for part, leaf in zip(parts, starts, strict=True):
        members[leaf] = True
        if part.rank > best.rank - _LESS_OF_A_THING:
            members |= part.members
    return members, best.unlike


def _candidate(
    leaves: Leaves,
    tree: MergeTree,
    node: int,
    places: tuple[Sequence[Place], Sequence[Place]],
    likely: NDArray[np.float64] | None,
) -> Candidate:
    members = tree.members(node)
    unlike = tree.unlike[tree.parents[node]] if tree.parents[node] >= 0 else 0.0
    return Candidate(leaves, members, unlike, _signs(leaves, members, unlike, places, likely))


def _leaf_at(leaves: Leaves, place: Place) -> int:
    return int(leaves.numbers[leaves.view.pixel_at(place.x, place.y)])


def _signs(
    leaves: Leaves,
    members: NDArray[np.bool_],
    unlike: float,
    places: tuple[Sequence[Place], Sequence[Place]],
    likely: NDArray[np.float64] | None,
) -> Signs:
    area = float(leaves.areas[members].sum())
    radius = float(np.sqrt(area / np.pi))
    wanted, unwanted = (_depths(leaves, members, some) / radius for some in places)
    wrong = np.concatenate([-wanted[wanted < 0], unwanted[unwanted > 0]])
    return Signs(
        apart=float(np.log(unlike + 0.1)),
        centrality=min(float(wanted.max(initial=0.0)), 1.2),
        odd_size=(float(np.log(area / leaves.areas.sum())) / 2 - _USUAL_SIZE) ** 2,
        cut_off=float(leaves.cut[members].sum() / np.sqrt(area)),
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
