"""Which way of learning is best, and whether it is better than what is in service."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.learning_loop.fitting import (
    WAYS,
    Fitted,
    LearnOptions,
    Plan,
    Way,
    fitted,
)
from ovseg_annotate.learning_loop.holding_back import HeldBack, Learner, Quality
from ovseg_annotate.learning_loop.material import Columns, Material
from ovseg_annotate.learning_loop.phrasing import Weighing
from ovseg_annotate.learning_loop.rows import Rows
from ovseg_annotate.learning_loop.weighing import Weigher
from ovseg_annotate.lessons.lesson import Lesson
from ovseg_annotate.lessons.version import Version
from ovseg_annotate.watch import Watch

WORTH = 0.005  # by how much a version must be better: less is within the noise of few pictures
_LOSS = 0.005  # of IoU: a concept that loses more by learning is left to the words


@dataclass(frozen=True, slots=True)
class Trial:
    """One way of learning, judged on corrections that it did not see."""

    way: Way
    quality: float  # 0 to 1
    kept: tuple[str, ...] = ()  # concepts left to the words: learning made them worse
    weighed: tuple[str, ...] = ()  # concepts whose phrases may count otherwise


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
        return best if best.quality > rival + WORTH else None


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
    judge = _Judge(held, base, columns, Learning.of(columns, options, watch))
    trials = judge.trials(materials)
    rival = None
    if present is not None:
        rival = held.quality(_rival(present, materials, columns, judge.learning))
    return Judgement(
        len(materials),
        held.how,
        base.value,
        None if rival is None else rival.value,
        trials,
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
    weighing = None
    if lesson.phrases and columns.phrasing is not None:
        weighing = Weighing.from_learnt(lesson.phrases, columns.phrasing, taught)
    anchors = lesson.anchors.astype(np.float64)
    return Fitted(offsets, taught, anchors, lifts, lesson.reach, weighing)


def _rival(
    present: Version,
    materials: Sequence[Material],
    columns: Columns,
    learning: Learning,
) -> Learner:
    """The version in service, learnt again each turn without what it is judged by.

    One that has seen none of these corrections is judged as it is.
    """
    known = frozenset(present.card.corrections)
    way = next((each for each in WAYS if each == present.card.candidate), None)
    if way is None or not any((each.picture, each.digest) in known for each in materials):
        as_it_is = fitted_of(present.lesson, columns)
        return lambda others: as_it_is

    weighed_names = {each.concept for each in present.card.phrases}
    plan = Plan(
        way,
        columns_named(columns, present.card.kept),
        columns_named(columns, weighed_names),
    )

    def learner(others: Sequence[Material]) -> Fitted | None:
        own = [each for each in others if (each.picture, each.digest) in known]
        return learning.learnt(own, plan) if own else None

    return learner


@dataclass(frozen=True, slots=True, eq=False)
class Learning:
    """Learns as it is told to, from any corrections of the same words."""

    weigher: Weigher
    options: LearnOptions
    watch: Watch

    @classmethod
    def of(cls, columns: Columns, options: LearnOptions, watch: Watch) -> Learning:
        return cls(Weigher(columns.phrasing, options.hold, watch), options, watch)

    def learnt(self, materials: Sequence[Material], plan: Plan) -> Fitted | None:
        """Learn as planned; None where nothing is known."""
        self.watch.stop_if_asked("while learning")
        rows = Rows.of(materials, self.options.cells).without(plan.kept)
        if not rows.taught.any():
            return None
        weighing = self.weigher.weighing(materials, rows, plan.weighed)
        return fitted(rows, plan.way, weighing, self.options, self.watch)


def columns_named(columns: Columns, names: Collection[str]) -> NDArray[np.bool_]:
    """(columns,) whether each is among the names."""
    return np.array([name in names for name in columns.names])


@dataclass(frozen=True, slots=True, eq=False)
class _Judge:
    """Judges ways of learning on the same corrections."""

    held: HeldBack
    base: Quality
    columns: Columns
    learning: Learning

    def trials(self, materials: Sequence[Material]) -> tuple[Trial, ...]:
        """Every way that the corrections are enough for, on weighed phrases if they do no harm.

        With them, the best way is tried on equal weights as well: what helps the words alone may
        be in the way of what is added to them.
        """
        ways, equal = _ways(materials), np.zeros(len(self.columns.names), np.bool_)
        sharing = self._sharing(materials)
        if not sharing.any():
            return tuple(self._trial(way, equal) for way in ways)
        first = self._trial(WAYS[0], sharing)
        harmless = first.quality >= self.base.value
        weighed = sharing & ~columns_named(self.columns, first.kept) if harmless else equal
        others = [self._trial(way, weighed) for way in ways]
        if weighed.any():
            best = max(others, key=lambda each: each.quality)
            others.append(self._trial(best.way, equal))
        return (first, *others)

    def _sharing(self, materials: Sequence[Material]) -> NDArray[np.bool_]:
        """(columns,) whether something is known of a concept that has several phrases."""
        sharing = np.zeros(len(self.columns.names), np.bool_)
        if self.columns.phrasing is not None and np.isfinite(self.learning.options.hold):
            sharing[self.columns.phrasing.owners] = True
        known = [(each.certain + each.rejected).any(axis=0) for each in materials]
        return np.logical_and(sharing, np.any(known, axis=0))

    def _trial(self, way: Way, weighed: NDArray[np.bool_]) -> Trial:
        """Learn twice: the second time without what the first time made worse."""
        kept = np.zeros(len(weighed), np.bool_)
        quality = self.base
        for _ in range(2):
            learner = partial(self.learning.learnt, plan=Plan(way, kept, weighed))
            quality = self.held.quality(learner) or self.base
            worse = quality.iou < self.base.iou - _LOSS  # not-a-number is neither
            if not (worse & ~kept).any():
                break
            kept = kept | worse
        names = self._names(kept), self._names(weighed & ~kept)
        return Trial(way, quality.value, *names)

    def _names(self, chosen: NDArray[np.bool_]) -> tuple[str, ...]:
        both = zip(self.columns.names, chosen.tolist(), strict=True)
        return tuple(name for name, yes in both if yes)


def _ways(materials: Sequence[Material]) -> tuple[Way, ...]:
    """One correction is not enough for the widest, and engines without vectors have one only."""
    added = WAYS[1:]
    if not materials[0].vectors.shape[1]:
        return added[:1]
    return added[:-1] if len(materials) == 1 else added
