"""Which way of learning is best, and whether it is better than what is in service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.learning_loop.fitting import WAYS, Fitted, LearnOptions, Way, fitted, rows_of
from ovseg_annotate.learning_loop.holding_back import HeldBack, Learner, Quality
from ovseg_annotate.learning_loop.material import Columns, Material
from ovseg_annotate.lessons.lesson import Lesson
from ovseg_annotate.lessons.version import Version
from ovseg_annotate.watch import Watch

_WORTH = 0.005  # by how much a version must be better: less is within the noise of few pictures
_LOSS = 0.005  # of IoU: a concept that loses more by learning is left to the words


@dataclass(frozen=True, slots=True)
class Trial:
    """One way of learning, judged on corrections that it did not see."""

    way: Way
    quality: float  # 0 to 1
    kept: tuple[str, ...] = ()  # concepts left to the words: learning made them worse


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was tried, and against what."""

    pictures: int
    held_back: str  # how
    base: float | None  # quality of the model as it came; None: nothing could be held back
    present: float | None  # of the version in service; None: the base is
    trials: tuple[Trial, ...] = ()

    @property
    def best(self) -> Trial | None:
        """The best; of equals the cheapest."""
        best: Trial | None = None
        for each in self.trials:
            if best is None or each.quality > best.quality:
                best = each
        return best

    @property
    def chosen(self) -> Trial | None:
        """The best, if it is better than the base and what is in service."""
        best = self.best
        if best is None or self.base is None:
            return None
        rival = max(self.base, self.base if self.present is None else self.present)
        return best if best.quality > rival + _WORTH else None


def judged(
    materials: Sequence[Material],
    columns: Columns,
    present: Version | None,
    options: LearnOptions,
    watch: Watch,
) -> Judgement:
    """Try every way that the corrections are enough for."""
    held = HeldBack.of(materials)
    base = held.quality(lambda others: None)
    if base is None or np.isnan(base.value):
        return Judgement(len(materials), held.how, None, None)
    trials = [_trial(held, base, way, columns, options, watch) for way in _ways(materials)]
    rival = None
    if present is not None:
        rival = held.quality(_rival(present, materials, columns, options, watch))
    return Judgement(
        len(materials),
        held.how,
        base.value,
        None if rival is None else rival.value,
        tuple(trials),
    )


def fitted_of(lesson: Lesson, columns: Columns) -> Fitted:
    """A lesson in the columns of other words; what they do not name is left out."""
    count = len(columns.names)
    offsets, taught = np.zeros(count), np.zeros(count, np.bool_)
    lifts = np.zeros((len(lesson.anchors), count))
    for place, name in enumerate(lesson.concepts):
        if name in columns.names:
            column = columns.names.index(name)
            taught[column] = True
            offsets[column] = lesson.offsets[place]
            lifts[:, column] = lesson.lifts[:, place]
    return Fitted(offsets, taught, lesson.anchors.astype(np.float64), lifts, lesson.reach)


def _rival(
    present: Version,
    materials: Sequence[Material],
    columns: Columns,
    options: LearnOptions,
    watch: Watch,
) -> Learner:
    """The version in service, learnt again each turn without what it is judged by.

    One that has seen none of these corrections is judged as it is.
    """
    known = frozenset(present.card.corrections)
    way = next((each for each in WAYS if each == present.card.candidate), None)
    if way is None or not any((each.picture, each.digest) in known for each in materials):
        as_it_is = fitted_of(present.lesson, columns)
        return lambda others: as_it_is

    kept = columns_named(columns, present.card.kept)

    def learner(others: Sequence[Material]) -> Fitted | None:
        own = [each for each in others if (each.picture, each.digest) in known]
        return learnt(own, way, kept, options, watch) if own else None

    return learner


def learnt(
    materials: Sequence[Material],
    way: Way,
    kept: NDArray[np.bool_],
    options: LearnOptions,
    watch: Watch,
) -> Fitted | None:
    """Learn in one way, with some columns left to the words; None where nothing is known."""
    watch.stop_if_asked("while learning")
    rows = rows_of(materials, options).without(kept)
    return fitted(rows, way, options, watch) if rows.taught.any() else None


def columns_named(columns: Columns, names: Sequence[str]) -> NDArray[np.bool_]:
    """(columns,) whether each is among the names."""
    return np.array([name in names for name in columns.names])


def _trial(
    held: HeldBack,
    base: Quality,
    way: Way,
    columns: Columns,
    options: LearnOptions,
    watch: Watch,
) -> Trial:
    """Learn twice: the second time without what the first time made worse."""
    kept = np.zeros(len(columns.names), np.bool_)
    quality = base
    for _ in range(2):
        learner = partial(learnt, way=way, kept=kept, options=options, watch=watch)
        quality = held.quality(learner) or base
        worse = quality.iou < base.iou - _LOSS  # not-a-number is neither
        if not (worse & ~kept).any():
            break
        kept = kept | worse
    names = tuple(name for name, yes in zip(columns.names, kept.tolist(), strict=True) if yes)
    return Trial(way, quality.value, names)


def _ways(materials: Sequence[Material]) -> tuple[Way, ...]:
    """One correction is not enough for the widest, and engines without vectors have one only."""
    if not materials[0].vectors.shape[1]:
        return WAYS[:1]
    return WAYS[:-1] if len(materials) == 1 else WAYS
