"""How good a head is on corrections that it never saw, counted as refreshes count."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.fine_tuning.known import NONE
from ovseg_annotate.fine_tuning.material import Material
from ovseg_annotate.learning_loop.holding_back import Quality
from ovseg_annotate.learning_loop.material import Columns
from ovseg_annotate.lessons.taught import log_odds
from ovseg_annotate.scores import ClassScores
from ovseg_annotate.vocabulary import Vocabulary

Scoring = Callable[[Material], ClassScores]  # some windows -> what is said of them


def quality_of(held_back: Material, vocabulary: Vocabulary, scoring: Scoring) -> float:
    """0 to 1: the mean IoU over concepts on certain cells; what was rejected and comes again is
    wrong. Pictures count by the root of what is known of them.
    """
    columns = Columns.of(vocabulary)
    total: Quality | None = None
    for picture in sorted(set(held_back.pictures.tolist())):
        own = held_back.windows(held_back.pictures == picture)
        counted = sum(_counted(own, columns, scoring), _nothing(columns))
        known = counted.right.sum() + counted.rejected.sum()
        weighed = _weighed(counted, known**-0.5 if known else 0.0)
        total = weighed if total is None else total + weighed
    return float("nan") if total is None else total.value


def _counted(windows: Material, columns: Columns, scoring: Scoring) -> Iterator[Quality]:
    for part in windows.split():
        logits = log_odds(scoring(part)).movedim(1, -1).flatten(0, 2).numpy()
        winner = columns.merged(logits).argmax(axis=1)
        yield _quality(
            winner, part.certain.flatten().numpy(), part.rejected.flatten().numpy(), columns
        )


def _quality(
    winner: NDArray[np.int64],
    certain: NDArray[np.int16],
    rejected: NDArray[np.int16],
    columns: Columns,
) -> Quality:
    counted = _nothing(columns)
    column_of = {number: column for column, number in enumerate(columns.labelled)}
    if columns.negative:  # else nothing competes that could win where none of the concepts is
        column_of[NONE] = len(columns.labelled)
    for number, column in column_of.items():
        counted.right[column] = np.bincount(winner[certain == number], minlength=len(columns.names))
        if number != NONE:
            own = winner[(rejected == number) & (certain < 0)]
            counted.rejected[column] = len(own)
            counted.again[column] = np.count_nonzero(own == column)
    return counted


def _nothing(columns: Columns) -> Quality:
    count = len(columns.names)
    return Quality(np.zeros((count, count)), np.zeros(count), np.zeros(count))


def _weighed(quality: Quality, weight: float) -> Quality:
    return Quality(quality.right * weight, quality.rejected * weight, quality.again * weight)
