"""Lessons from cells: four ways, from cheap to dear, all residuals on what the words say.

Every way minimises, over cells i with weights w and v,

    sum_i sum_c w_ic (-log p_ic) + sum_i sum_c v_ic (-log(1 - p_ic)) + shrink / 2 * |B|^2

where p is the softmax of the words' log-odds and the residual: the certain concept should win, the
rejected one should not. The residual is linear in B over features of the cells, so that with no
corrections it is zero and the words rule. A feature of a cell is its likeness to an anchor, which
falls off quickly: far from all that was corrected the words rule too. In kernel terms, the way
"ridge" is kernel ridge regression on the nats that are missing, and "logistic" kernel logistic
regression, both on a subset of regressors (Rasmussen and Williams, "Gaussian processes for machine
learning", sections 8.3.1 and 3.4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from ovseg_annotate.learning_loop.material import Material, some_of
from ovseg_annotate.watch import Watch

Floats: TypeAlias = NDArray[np.float64]
Way: TypeAlias = Literal["offsets", "prototypes", "ridge", "logistic", "wide logistic"]

# From cheap to dear.
WAYS: tuple[Way, ...] = ("offsets", "prototypes", "ridge", "logistic", "wide logistic")

_MARGIN = 3.0  # nats by which the certain concept should win
_STEPS = 40
_PAIRS = 512  # cells whose likeness to one another gives the reach
_REACH, _WIDE_REACH = 0.5, 2.0  # of the median unlikeness
_NEAREST_REACH, _FARTHEST_REACH = 0.1, 1.0
_SAME = 1e-4  # anchors nearer than that are one


@dataclass(frozen=True, slots=True)
class LearnOptions:
    """What a refresh may do."""

    cells: int = 8192  # of all pictures together
    anchors: int = 96  # places that a lesson knows by their looks
    shrink: float = 0.01  # 1 / (variance of a residual, in squared nats)


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Weighted cells of several pictures."""

    vectors: Floats  # (cells, width)
    log_odds: Floats  # (cells, columns)
    certain: Floats  # (cells, columns) weights
    rejected: Floats  # (cells, columns) weights
    taught: NDArray[np.bool_]  # (columns,) may change; of the others the words rule

    def without(self, columns: NDArray[np.bool_]) -> Rows:
        """The same cells, with more concepts that may not change."""
        return replace(self, taught=self.taught & ~columns)

    def __len__(self) -> int:
        return len(self.log_odds)


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A residual in the columns of its rows."""

    offsets: Floats  # (columns,)
    taught: NDArray[np.bool_]  # (columns,)
    anchors: Floats  # (anchors, width)
    lifts: Floats  # (anchors, columns)
    reach: float

    def shifted(self, vectors: Floats, log_odds: Floats) -> Floats:
        """What `lessons.taught.Taught` makes of the same numbers."""
        shifted = log_odds.copy()
        if self.offsets.any():
            before = log_odds[:, self.taught]
            after = before + self.offsets[self.taught]
            total = np.logaddexp.reduce(before, axis=1) - np.logaddexp.reduce(after, axis=1)
            shifted[:, self.taught] = after + total[:, None]
        if len(self.anchors):
            likeness = _likeness(vectors, self.anchors, self.reach)
            shifted += _free(log_odds, self.taught) * (likeness @ self.lifts)
        return shifted


def rows_of(materials: Sequence[Material], options: LearnOptions) -> Rows:
    """Cells with weights that let neither a large picture nor a large area decide alone.

    The cells of one concept in one picture weigh the root of their area together.
    """
    taken = some_of(materials, options.cells)
    certain = np.concatenate([_weights(each, each.certain) for each in taken])
    rejected = np.concatenate([_weights(each, each.rejected) for each in taken])
    return Rows(
        np.concatenate([each.vectors for each in taken]).astype(np.float64),
        np.concatenate([each.log_odds for each in taken]),
        certain,
        rejected,
        (certain.sum(axis=0) + rejected.sum(axis=0)) > 0,
    )


def fitted(rows: Rows, way: Way, options: LearnOptions, watch: Watch) -> Fitted:
    """Learn in one of the ways."""
    width, columns = rows.vectors.shape[1], rows.log_odds.shape[1]
    nowhere = np.zeros((0, width))
    if way == "offsets":
        offsets = np.zeros(columns)
        inside = _only(rows, rows.taught)
        everywhere = np.ones((len(rows), 1))
        offsets[rows.taught] = _logistic(everywhere, inside, options.shrink, watch)[0]
        return Fitted(offsets, rows.taught, nowhere, np.zeros((0, columns)), 1.0)
    share = _WIDE_REACH if way == "wide logistic" else _REACH
    reach = _reach_of(rows.vectors, share)
    anchors = _means(rows) if way == "prototypes" else _spread(rows.vectors, options.anchors, watch)
    # B counts in directions in which the kernel of the anchors is the identity.
    gram = _likeness(anchors, anchors, reach) + 1e-6 * np.eye(len(anchors))
    turn: Floats = np.linalg.inv(np.linalg.cholesky(gram)).T
    features: Floats = _likeness(rows.vectors, anchors, reach) @ turn
    features *= _free(rows.log_odds, rows.taught)
    if way.endswith("logistic"):
        found = _logistic(features, rows, options.shrink, watch)
    else:
        found = _ridge(features, rows, options.shrink)
    lifts: Floats = turn @ found
    return Fitted(np.zeros(columns), rows.taught, anchors, lifts, reach)


def _weights(material: Material, shares: Floats) -> Floats:
    """Concepts of one picture share its weight by the roots of their areas."""
    areas = shares * material.counts[:, None]
    known = np.sqrt(
        material.counts @ (material.certain.sum(axis=1) + material.rejected.sum(axis=1))
    )
    weights: Floats = areas / np.sqrt(np.maximum(areas.sum(axis=0), 1e-12))
    weights *= material.weight * known
    return weights


def _only(rows: Rows, columns: NDArray[np.bool_]) -> Rows:
    return Rows(
        rows.vectors,
        rows.log_odds[:, columns],
        rows.certain[:, columns],
        rows.rejected[:, columns],
        np.ones(int(columns.sum()), np.bool_),
    )


def _logistic(features: Floats, rows: Rows, shrink: float, watch: Watch) -> Floats:
    """(features, columns) by L-BFGS from zero; convex but for the rejected cells."""
    taught = np.flatnonzero(rows.taught)
    shape = (features.shape[1], len(taught))
    total = rows.certain.sum(axis=1, keepdims=True)

    def loss_and_slope(flat: Floats) -> tuple[float, Floats]:
        watch.stop_if_asked("while learning")
        residual = flat.reshape(shape)
        logits = rows.log_odds.copy()
        logits[:, taught] += features @ residual
        logits -= np.logaddexp.reduce(logits, axis=1, keepdims=True)
        chances = np.exp(logits)
        others = np.maximum(1 - chances, 1e-9)
        spoken_for = np.where(rows.certain > 0, logits, 0.0)
        loss = -(rows.certain * spoken_for).sum() - (rows.rejected * np.log(others)).sum()
        against = rows.rejected * chances / others
        slope = total * chances - rows.certain
        slope += against - chances * against.sum(axis=1, keepdims=True)
        inner = features.T @ slope[:, taught] + shrink * residual
        return float(loss + shrink / 2 * (residual**2).sum()), inner.ravel()

    start = np.zeros(shape[0] * shape[1])
    found = minimize(
        loss_and_slope, start, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS}
    )
    lifts = np.zeros((shape[0], len(rows.taught)))
    lifts[:, taught] = found.x.reshape(shape)
    return lifts


def _ridge(features: Floats, rows: Rows, shrink: float) -> Floats:
    """(features, columns) in closed form, from the nats that are missing."""
    missing, weights = _missing(rows)
    weighted = features * weights[:, None]
    inner: Floats = features.T @ weighted + shrink * np.eye(features.shape[1])
    wanted: Floats = weighted.T @ missing
    lifts: Floats = np.asarray(np.linalg.solve(inner, wanted), np.float64)
    lifts[:, ~rows.taught] = 0
    return lifts


def _missing(rows: Rows) -> tuple[Floats, Floats]:
    """(cells, columns) how many nats to add, and (cells,) how much each cell counts.

    The certain concept goes up and others that were taught go down, half of the way each; where
    the winner may not be touched, the certain one goes all the way.
    """
    logits, taught = rows.log_odds, rows.taught
    weights = rows.certain.sum(axis=1) + rows.rejected.sum(axis=1)
    missing = np.zeros_like(logits)
    for column in np.flatnonzero(taught):
        own = logits[:, [column]]
        ahead = np.maximum(_MARGIN + logits - own, 0.0)
        ahead[:, column] = 0
        way_up = (ahead * np.where(taught, 0.5, 1.0)).max(axis=1)
        change = np.where(taught, -0.5 * ahead, 0.0)
        change[:, column] = way_up
        missing += rows.certain[:, [column]] * change
        best_other = np.delete(logits, column, axis=1).max(axis=1)
        down = np.maximum(_MARGIN + logits[:, column] - best_other, 0.0)
        rejected = rows.rejected[:, column]
        missing[:, column] -= rejected * np.where(rejected > 0, down, 0.0)
    return missing / np.maximum(weights, 1e-12)[:, None], weights


def _likeness(vectors: Floats, anchors: Floats, reach: float) -> Floats:
    likeness: Floats = np.exp((vectors @ anchors.T - 1) / reach)
    return likeness


def _free(log_odds: Floats, taught: NDArray[np.bool_]) -> Floats:
    """(cells, 1) how little the words see there of labelled concepts that may not change."""
    kept = np.flatnonzero(~taught[:-1])
    chances = np.exp(log_odds - np.logaddexp.reduce(log_odds, axis=1, keepdims=True))
    free: Floats = 1 - chances[:, kept].sum(axis=1, keepdims=True)
    return np.clip(free, 0.0, 1.0)


def _reach_of(vectors: Floats, share: float) -> float:
    """From how unlike the cells are: towers differ in how near everything lies together."""
    some = vectors[: _PAIRS * max(len(vectors) // _PAIRS, 1) : max(len(vectors) // _PAIRS, 1)]
    unlike = 1 - some @ some.T
    typical = float(np.median(unlike[~np.eye(len(some), dtype=np.bool_)])) if len(some) > 1 else 0
    return min(max(share * typical, _NEAREST_REACH), _FARTHEST_REACH)


def _means(rows: Rows) -> Floats:
    """One anchor a concept that is certain, and one for each that is rejected."""
    weights = np.concatenate([rows.certain, rows.rejected], axis=1)
    weights = weights[:, weights.sum(axis=0) > 0]
    sums = weights.T @ rows.vectors
    means: Floats = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    return means[_distinct(means)]


def _spread(vectors: Floats, count: int, watch: Watch) -> Floats:
    """Cells that leave no other far from all of them: greedy k-centre."""
    chosen = [0]
    nearest = vectors @ vectors[0]
    while len(chosen) < count:
        watch.stop_if_asked("while learning")
        place = int(nearest.argmin())
        if nearest[place] > 1 - _SAME:
            break
        chosen.append(place)
        nearest = np.maximum(nearest, vectors @ vectors[place])
    return vectors[chosen]


def _distinct(vectors: Floats) -> list[int]:
    kept: list[int] = []
    for place in range(len(vectors)):
        if not any(vectors[place] @ vectors[other] > 1 - _SAME for other in kept):
            kept.append(place)
    return kept
