"""Lessons from cells: six ways, from cheap to dear, all residuals on what the words say.

Every way minimises, over cells i with weights w and v,

    sum_i sum_c w_ic (-log p_ic) + sum_i sum_c v_ic (-log(1 - p_ic)) + shrink / 2 * |B|^2

where p is the softmax of the words' log-odds and the residual: the certain concept should win, the
rejected one should not. The residual is linear in B over features of the cells, so that with no
corrections it is zero and the words rule. A feature of a cell is its likeness to an anchor, which
falls off quickly: far from all that was corrected the words rule too. What the words say may have
been changed before by weights of their phrases (`weighing`), which the first way leaves it at. In
kernel terms, the way "ridge" is kernel ridge regression on the nats that are missing, and
"logistic" kernel logistic regression, both on a subset of regressors (Rasmussen and Williams,
"Gaussian processes for machine learning", sections 8.3.1 and 3.4).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from ovseg_annotate.learning_loop.phrasing import Weighing
from ovseg_annotate.learning_loop.pile import Floats
from ovseg_annotate.learning_loop.rows import Rows
from ovseg_annotate.watch import Watch

Way: TypeAlias = Literal["phrases", "offsets", "prototypes", "ridge", "logistic", "wide logistic"]

# From cheap to dear.
WAYS: tuple[Way, ...] = ("phrases", "offsets", "prototypes", "ridge", "logistic", "wide logistic")

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
    hold: float = 0.1  # likewise of phrases to equal weights; inf: they stay equal


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """How to learn, and what to leave as it is."""

    way: Way
    kept: NDArray[np.bool_]  # (columns,) left to the words
    weighed: NDArray[np.bool_]  # (columns,) whose phrases may count otherwise


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A residual in the columns of its rows."""

    offsets: Floats  # (columns,)
    taught: NDArray[np.bool_]  # (columns,)
    anchors: Floats  # (anchors, width)
    lifts: Floats  # (anchors, columns)
    reach: float
    weighing: Weighing | None = None  # comes first; None: phrases count as they did

    def shifted(self, vectors: Floats, log_odds: Floats, phrases: NDArray[np.float32]) -> Floats:
        """What `lessons.weighed` and `lessons.taught` make of the same numbers."""
        if self.weighing is not None:
            log_odds = self.weighing.reworded(log_odds, phrases)
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


def fitted(
    rows: Rows, way: Way, weighing: Weighing | None, options: LearnOptions, watch: Watch
) -> Fitted:
    """Learn in one of the ways; what is added stands on the words as their phrases count then."""
    if weighing is not None:
        rows = replace(rows, log_odds=weighing.reworded(rows.log_odds, rows.phrases))
    return replace(_residual(rows, way, options, watch), weighing=weighing)


def _residual(rows: Rows, way: Way, options: LearnOptions, watch: Watch) -> Fitted:
    width, columns = rows.vectors.shape[1], rows.log_odds.shape[1]
    offsets, nowhere = np.zeros(columns), np.zeros((0, width))
    if way in ("phrases", "offsets"):
        if way == "offsets":
            everywhere, inside = np.ones((len(rows), 1)), rows.only(rows.taught)
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
    return Fitted(offsets, rows.taught, anchors, lifts, reach)


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
