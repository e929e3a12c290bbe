"""Weights of phrases from cells: what misleads counts less, and what helps counts more.

A phrase of weight w counts as w equal ones: log w nats come to what it says, before the phrases of
its concept fold into one number. The P phrases of a concept have the weights P softmax(a), which
add up to P, and all are 1 where a = 0. What is minimised over a is

    sum_i sum_c w_ic (-log p_ic) + sum_i sum_c v_ic (-log(1 - p_ic)) + hold / 2 * |a|^2

as in `fitting`, where p shares out anew, in each cell, what taught concepts and "none of them" have
together. A phrase that is never the strongest of its concept tells nothing of itself under the rule
"max", and without evidence all weights stay equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from ovseg_annotate.learning_loop.material import Material
from ovseg_annotate.learning_loop.phrasing import Phrasing, Weighing, trading_with
from ovseg_annotate.learning_loop.pile import Floats
from ovseg_annotate.learning_loop.rows import Rows
from ovseg_annotate.watch import Watch

_STEPS = 20
_LEAST_CHANGE = 1e-6  # of the loss: with so few weights, more digits cost more than they tell


class Weigher:
    """Learns weights of phrases, from the same corrections only once however many ways use them."""

    def __init__(self, phrasing: Phrasing | None, hold: float, watch: Watch) -> None:
        self._phrasing = phrasing
        self._hold = hold
        self._watch = watch
        self._known: dict[tuple[tuple[Material, ...], bytes, bytes], Weighing | None] = {}

    def weighing(
        self, materials: Sequence[Material], rows: Rows, columns: NDArray[np.bool_]
    ) -> Weighing | None:
        """What the cells of some corrections, as rows, teach of the phrases of some columns."""
        if self._phrasing is None:
            return None
        key = (tuple(materials), rows.taught.tobytes(), columns.tobytes())
        if key not in self._known:
            self._known[key] = weighed(rows, self._phrasing, columns, self._hold, self._watch)
        return self._known[key]


def weighed(
    rows: Rows, phrasing: Phrasing, columns: NDArray[np.bool_], hold: float, watch: Watch
) -> Weighing | None:
    """Learn how much the phrases of some columns count; None where there is nothing to learn."""
    open_columns = rows.taught & columns
    trading = trading_with(rows.taught)
    chosen = open_columns[phrasing.owners]
    if not chosen.any() or int(trading.sum()) < 2:
        return None
    problem = _Problem.of(rows, phrasing, chosen, trading)

    def loss_and_slope(flat: Floats) -> tuple[float, Floats]:
        watch.stop_if_asked("while phrases were weighed")
        loss, slope = problem.loss_and_slope(flat)
        return loss + hold / 2 * float(flat @ flat), slope + hold * flat

    found = minimize(
        loss_and_slope,
        np.zeros(int(chosen.sum())),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": _STEPS, "ftol": _LEAST_CHANGE},
    )
    weights = np.ones(len(chosen))
    weights[chosen] = problem.weights(found.x)
    return Weighing(phrasing, weights, trading)


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """The phrases of one concept."""

    place: int  # of its column among those that trade
    own: NDArray[np.int64]  # places among the chosen phrases
    told: Floats  # (cells, own)
    folded: Floats  # (cells,) with equal weights


@dataclass(frozen=True, slots=True, eq=False)
class _Problem:
    """What is minimised, as far as it depends on cells."""

    parts: tuple[_Part, ...]
    logits: Floats  # (cells, trading) with equal weights
    together: Floats  # (cells, 1) probability of all that trade
    certain: Floats  # (cells, trading)
    rejected: Floats  # (cells, trading)
    phrasing: Phrasing

    @classmethod
    def of(
        cls,
        rows: Rows,
        phrasing: Phrasing,
        chosen: NDArray[np.bool_],
        trading: NDArray[np.bool_],
    ) -> _Problem:
        logits = rows.log_odds[:, trading]
        total = np.logaddexp.reduce(rows.log_odds, axis=1)
        together = np.exp(np.logaddexp.reduce(logits, axis=1) - total)
        places = np.cumsum(trading) - 1
        numbers = np.cumsum(chosen) - 1
        parts = []
        for column, own in phrasing.parts(chosen):
            told = rows.phrases[:, own].astype(np.float64)
            parts.append(_Part(int(places[column]), numbers[own], told, phrasing.folded(told)))
        return cls(
            tuple(parts),
            logits,
            together[:, None],
            rows.certain[:, trading],
            rows.rejected[:, trading],
            phrasing,
        )

    def weights(self, flat: Floats) -> Floats:
        """(chosen phrases,); where nothing pulls, they are 1 to the bit."""
        weights = np.ones_like(flat)
        for part in self.parts:
            counting = np.exp(flat[part.own] - flat[part.own].max())
            weights[part.own] = len(counting) * counting / counting.sum()
        return weights

    def loss_and_slope(self, flat: Floats) -> tuple[float, Floats]:
        weights, logits = self.weights(flat), self.logits.copy()
        said = [part.told + np.log(weights[part.own]) for part in self.parts]
        for part, told in zip(self.parts, said, strict=True):
            logits[:, part.place] += self.phrasing.folded(told) - part.folded
        logits -= np.logaddexp.reduce(logits, axis=1, keepdims=True)
        shares = np.exp(logits)
        chances = self.together * shares
        others = np.maximum(1 - chances, 1e-9)
        spoken_for = np.where(self.certain > 0, logits, 0.0)
        loss = -(self.certain * spoken_for).sum() - (self.rejected * np.log(others)).sum()
        slope = self.certain.sum(axis=1, keepdims=True) * shares - self.certain
        against = self.rejected * chances / others
        slope += against - shares * against.sum(axis=1, keepdims=True)
        inner = np.zeros_like(flat)
        for part, told in zip(self.parts, said, strict=True):
            by_phrase = self._by_phrase(slope[:, part.place], told)
            inner[part.own] = by_phrase - weights[part.own] / len(part.own) * by_phrase.sum()
        return float(loss), inner

    def _by_phrase(self, slope: Floats, told: Floats) -> Floats:
        """(own,) how the loss changes with each phrase's nats."""
        if self.phrasing.rule == "max":
            shares = np.eye(told.shape[1])[told.argmax(axis=1)]
        else:
            shares = np.exp(told - np.logaddexp.reduce(told, axis=1, keepdims=True))
        by_phrase: Floats = slope @ shares
        return by_phrase
