"""How a lesson changes scores."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ovseg_annotate.lessons.lesson import NOTHING, Lesson
from ovseg_annotate.scores import ClassScores
from ovseg_annotate.vocabulary import Vocabulary

_SMALLEST = 1e-30  # a probability that was rounded to 0 can still be lifted


@dataclass(frozen=True, slots=True, eq=False)
class Taught:
    """A lesson under one choice of words."""

    offsets: Tensor  # (concepts,) float32; 0 where nothing was taught
    taught: Tensor  # (concepts,) bool
    kept: Tensor  # (concepts,) bool: labelled and not taught, so that the words rule
    anchors: Tensor  # (anchors, width) float32
    lifts: Tensor  # (anchors, concepts) float32
    reach: float

    @property
    def needs_cells(self) -> bool:
        """Whether it depends on how cells look."""
        return len(self.anchors) > 0

    def applied(self, scores: ClassScores, cells: Tensor | None) -> ClassScores:
        """The scores again; `cells` (windows, rows, columns, width) where they are needed."""
        logits = self._shared_out(log_odds(scores))
        if self.needs_cells:
            if cells is None:
                raise ValueError("this lesson depends on how cells look")
            lifted = self.lifted(cells).permute(0, 3, 1, 2)
            logits = logits + self._free(scores.values) * lifted
        changed = logits.softmax(dim=1) if scores.competing else logits.sigmoid()
        return ClassScores(changed, scores.competing, scores.vocabulary)

    def lifted(self, cells: Tensor) -> Tensor:
        """Unit vectors (..., width) -> nats (..., concepts)."""
        cosines = cells.float() @ self.anchors.to(cells.device).T
        return ((cosines - 1) / self.reach).exp() @ self.lifts.to(cells.device)

    def _free(self, values: Tensor) -> Tensor:
        """(windows, 1, rows, columns) how little the words see there of what was not taught."""
        places = self.kept.nonzero()[:, 0].to(values.device)
        seen = values.float().index_select(1, places).sum(dim=1, keepdim=True)
        return (1 - seen).clamp(0.0, 1.0)

    def _shared_out(self, logits: Tensor) -> Tensor:
        """Taught concepts trade among themselves: what they have together stays."""
        places = self.taught.nonzero()[:, 0].to(logits.device)
        if not bool(self.offsets.any()):
            return logits
        before = logits.index_select(1, places)
        after = before + self.offsets.to(logits.device)[places].view(1, -1, 1, 1)
        after += before.logsumexp(1, keepdim=True) - after.logsumexp(1, keepdim=True)
        return logits.index_copy(1, places, after)


def log_odds(scores: ClassScores) -> Tensor:
    """Scores as numbers to which nats can be added, in their shape."""
    values = scores.values.float()
    logits = values.clamp_min(_SMALLEST).log()
    return logits if scores.competing else logits - (1 - values).clamp_min(_SMALLEST).log()


def taught_by(lesson: Lesson, vocabulary: Vocabulary) -> Taught | None:
    """Match a lesson with words by the names of concepts; None where it adds to none of them.

    What is taught to be none of the concepts goes to those that are negative.
    """
    owner = {name: column for column, name in enumerate(lesson.concepts)}
    columns = [
        owner.get(NOTHING if concept.negative else concept.name.casefold())
        for concept in vocabulary
    ]
    nothing_added = not lesson.offsets.any() and not len(lesson.anchors)
    if nothing_added or all(column is None for column in columns):
        return None
    offsets, lifts = torch.from_numpy(lesson.offsets), torch.from_numpy(lesson.lifts)
    taught = Taught(
        offsets=torch.zeros(len(columns)),
        taught=torch.tensor([column is not None for column in columns]),
        kept=torch.tensor(
            [
                column is None and not concept.negative
                for column, concept in zip(columns, vocabulary, strict=True)
            ]
        ),
        anchors=torch.from_numpy(lesson.anchors),
        lifts=torch.zeros(len(lifts), len(columns)),
        reach=lesson.reach,
    )
    for number, column in enumerate(columns):
        if column is not None:
            taught.offsets[number] = offsets[column]
            taught.lifts[:, number] = lifts[:, column]
    return taught
