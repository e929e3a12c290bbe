"""How learnt weights of phrases change scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from ovseg_annotate.card import FoldRule
from ovseg_annotate.lessons.lesson import Lesson
from ovseg_annotate.lessons.phrase_weights import shared_phrases, weights_among
from ovseg_annotate.scores import ClassScores, grouped
from ovseg_annotate.text.bank import TextBank
from ovseg_annotate.vocabulary import Concept, Vocabulary

# `engine.Pointable.score_vectors`: unit vectors (n, width) to values (1, concepts, 1, n)
Teller: TypeAlias = Callable[[Tensor, TextBank], ClassScores]

_SMALLEST = 1e-30  # a probability that was rounded to 0 still has a logarithm


@dataclass(frozen=True, slots=True, eq=False)
class Weighed:
    """Phrases that count more or less than others, under one choice of words.

    Taught and negative concepts share out anew, in each cell, what they have together; the scores
    of all others stay as they are, to the bit.
    """

    phrases: TextBank  # those of weighed concepts, each as a concept of its own
    weights: Tensor  # (phrases,) float32
    owners: tuple[int, ...]  # of each phrase, the place of its concept among the weighed ones
    trading: Tensor  # numbers of the concepts that share
    weighed: Tensor  # places among them of the weighed ones
    rule: FoldRule
    tell: Teller

    @property
    def needs_cells(self) -> bool:
        return True

    def applied(self, scores: ClassScores, cells: Tensor | None) -> ClassScores:
        """The scores again; `cells` (windows, rows, columns, width)."""
        if cells is None or not scores.competing:
            raise ValueError("phrases can be weighed where cells are vectors and concepts compete")
        values = scores.values
        trading = self.trading.to(values.device)
        had = values.float().index_select(1, trading)
        logits = had.clamp_min(_SMALLEST).log()
        logits[:, self.weighed.to(values.device)] += self._change(cells)
        shared = logits.softmax(dim=1) * had.sum(dim=1, keepdim=True)
        changed = values.index_copy(1, trading, shared.to(values.dtype))
        return ClassScores(changed, scores.competing, scores.vocabulary)

    def _change(self, cells: Tensor) -> Tensor:
        """(windows, weighed concepts, rows, columns) nats."""
        told = self.tell(cells.flatten(0, 2), self.phrases).values[0, :, 0]  # (phrases, cells)
        told = told.float().clamp_min(_SMALLEST)
        count = len(self.weighed)
        before = grouped(told, self.owners, count, self.rule)
        counting = told * self.weights.to(told.device)[:, None]
        change = (grouped(counting, self.owners, count, self.rule) / before).log()
        return change.view(count, *cells.shape[:3]).transpose(0, 1)


def phrases_apart(bank: TextBank, places: tuple[int, ...]) -> TextBank:
    """Some phrases, each as a concept of its own, so that an engine tells what each of them says.

    What it tells of two phrases of one concept differs by as many nats as inside that concept.
    """
    concepts = (Concept(str(place), (bank.vocabulary.phrases[place],)) for place in places)
    return TextBank(Vocabulary(tuple(concepts)), bank.embeddings[list(places)])


def weighed_by(
    lesson: Lesson, bank: TextBank, rule: FoldRule | None, tell: Teller
) -> Weighed | None:
    """Match learnt weights with words by concept and phrase; None where they change nothing."""
    vocabulary = bank.vocabulary
    shared = shared_phrases(vocabulary)
    weights = weights_among(lesson.phrases, vocabulary)
    owners = [vocabulary.phrase_owners[place] for place in shared]
    changed = sorted(
        {owner for owner, weight in zip(owners, weights, strict=True) if weight != 1.0}
    )
    taught = {
        number
        for number, concept in enumerate(vocabulary)
        if concept.negative or concept.name.casefold() in lesson.concepts
    }
    if rule is None or not changed or not taught.issuperset(changed) or len(taught) == 1:
        return None
    trading = sorted(taught)
    own = [number for number, owner in enumerate(owners) if owner in changed]
    return Weighed(
        phrases=phrases_apart(bank, tuple(shared[number] for number in own)),
        weights=torch.from_numpy(weights[own]).float(),
        owners=tuple(changed.index(owners[number]) for number in own),
        trading=torch.tensor(trading),
        weighed=torch.tensor([trading.index(number) for number in changed]),
        rule=rule,
        tell=tell,
    )
