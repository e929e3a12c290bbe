"""How examples change scores: cells that look like one lean towards its concept, or away from it.

The words keep the first say. A cell that looks just like an example gets, on top of what the words
say, as much as it takes for its concept to win with the examples' weight; a cell half as like gets
half of that, and one like the rest of the picture nothing.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ovseg_annotate.errors import MarkError, ModelError, VocabularyError, listed_by_nearness
from ovseg_annotate.pointing.examples import VisualExamples
from ovseg_annotate.scores import ClassScores
from ovseg_annotate.text.words import is_known
from ovseg_annotate.vocabulary import Vocabulary

_SMALLEST = 1e-30  # a probability that was rounded to 0 can still be lifted
_BEHIND = 2.0  # nats by which a concept without known words loses where no example speaks for it
_WORDLESS_WEIGHT = 0.9  # least weight of examples where there are no words to be sure with
_CONTRADICTION = 3.0  # nats that examples may add against other examples
_ROUNDS = 10


@dataclass(frozen=True, slots=True, eq=False)
class Leanings:
    """Visual examples under one choice of words."""

    directions: Tensor  # (examples, width) float32, unit length
    unlike: Tensor  # (examples,) product with the picture's mean: likeness 0
    like: Tensor  # (examples,) product with the example itself: likeness 1
    lifts: Tensor  # (concepts, examples) nats at likeness 1; below 0: away from the concept
    wordless: tuple[int, ...]  # concepts whose words this tower was never taught
    digest: str  # of the examples

    @property
    def needs_cells(self) -> bool:
        return True

    def likeness(self, cells: Tensor) -> Tensor:
        """Unit vectors (..., width) -> (..., examples), 0 to 1."""
        products = cells.float() @ self.directions.to(cells.device).T
        unlike, like = self.unlike.to(cells.device), self.like.to(cells.device)
        return ((products - unlike) / (like - unlike)).clamp(0.0, 1.0)

    def applied(self, scores: ClassScores, cells: Tensor | None) -> ClassScores:
        """The scores again, with `cells` (windows, rows, columns, width) leaning."""
        _check_competing(scores)
        if cells is None:
            raise ValueError("examples depend on how cells look")
        logits = _with_wordless(_logits(scores.values), self.wordless, dim=1)
        lifted = self.likeness(cells) @ self.lifts.to(cells.device).T
        values = (logits + lifted.permute(0, 3, 1, 2)).softmax(dim=1)
        return ClassScores(values, scores.competing, scores.vocabulary)


def leanings_of(
    examples: VisualExamples, scores: ClassScores, known_words: Collection[str]
) -> Leanings:
    """`scores` (1, concepts, 1, examples) are what the words say of the examples' prototypes."""
    _check_competing(scores)
    vocabulary = scores.vocabulary
    owners = _owners(examples, vocabulary)
    taught = {owner for owner, yes in zip(owners, examples.positive, strict=True) if yes}
    wordless = tuple(
        number
        for number, concept in enumerate(vocabulary)
        if number in taught and not any(is_known(each, known_words) for each in concept.phrases)
    )
    told = _with_wordless(_logits(scores.values[0, :, 0].cpu()), wordless, dim=0)
    leanings = Leanings(
        directions=torch.from_numpy(examples.directions),
        unlike=torch.from_numpy(examples.unlike),
        like=torch.from_numpy(examples.like),
        lifts=torch.zeros(len(vocabulary), len(examples)),
        wordless=wordless,
        digest=examples.digest,
    )
    likeness = leanings.likeness(torch.from_numpy(examples.prototypes)).double().numpy()
    signs = np.where(examples.positive, 1.0, -1.0)
    least = [
        max(examples.weight, _WORDLESS_WEIGHT) if owner in wordless else examples.weight
        for owner in owners
    ]
    margins = np.array([math.log(weight / (1.0 - weight)) for weight in least])
    strengths = _strengths(told.double().numpy().T, likeness, np.array(owners), signs, margins)
    for place, owner in enumerate(owners):
        leanings.lifts[owner, place] = float(signs[place] * strengths[place])
    return leanings


def _strengths(
    told: NDArray[np.float64],
    likeness: NDArray[np.float64],
    owners: NDArray[np.int64],
    signs: NDArray[np.float64],
    margins: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The smallest nats, none below 0, with which every example gets its margin.

    `told` (examples, concepts) is what the words say; examples of one concept help one another,
    so each is set in turn, a few times over. Where examples contradict one another, none wins by
    ever more: what it adds against others is limited.
    """
    strengths = np.zeros(len(owners))
    limits = _missing(told, owners, signs, margins) + _CONTRADICTION
    for _ in range(_ROUNDS):
        for place, owner in enumerate(owners):
            others = strengths * signs * likeness[place]
            others[place] = 0.0
            logits = told[place] + np.bincount(owners, others, minlength=told.shape[1])
            missing = _missing(
                logits[None], owner[None], signs[place : place + 1], margins[place : place + 1]
            )
            strengths[place] = min(missing[0], limits[place])
    return strengths


def _missing(
    logits: NDArray[np.float64],
    owners: NDArray[np.int64],
    signs: NDArray[np.float64],
    margins: NDArray[np.float64],
) -> NDArray[np.float64]:
    """How far (examples, concepts) logits are from each example's margin to the best other."""
    rows = np.arange(len(owners))
    own = logits[rows, owners]
    others = logits.copy()
    others[rows, owners] = -np.inf
    ahead = own - others.max(axis=1)
    missing: NDArray[np.float64] = np.maximum(margins - signs * ahead, 0.0)
    return missing


def number_of(name: str, vocabulary: Vocabulary) -> int:
    """The concept that a mark names; the case makes no difference."""
    numbers = {known.casefold(): number for number, known in enumerate(vocabulary.names)}
    if name.casefold() not in numbers:
        raise VocabularyError(
            f"{name!r} is marked and not among the words; there is: "
            f"{listed_by_nearness(name, vocabulary.names)}; add it to the words, or leave its "
            "marks out (of examples: examples.only(names))"
        )
    return numbers[name.casefold()]


def _owners(examples: VisualExamples, vocabulary: Vocabulary) -> list[int]:
    owners = [number_of(name, vocabulary) for name in examples.concepts]
    for name, positive in zip(examples.concepts, examples.positive, strict=True):
        if len(vocabulary) == 1 and not positive:
            raise MarkError(
                f"what is marked as not {name!r} needs something else to be; use contrast phrases "
                "or name a second concept, such as '-background'"
            )
    return owners


def _logits(probabilities: Tensor) -> Tensor:
    return probabilities.float().clamp_min(_SMALLEST).log()


def _with_wordless(logits: Tensor, wordless: tuple[int, ...], dim: int) -> Tensor:
    """Concepts without known words stay behind the strongest of the others by a fixed step."""
    concepts = logits.shape[dim]
    if not wordless or len(wordless) == concepts:
        return logits
    taught = torch.ones(concepts, dtype=torch.bool)
    taught[list(wordless)] = False
    order = taught.nonzero()[:, 0].to(logits.device)
    strongest = logits.index_select(dim, order).amax(dim, keepdim=True)
    without = torch.tensor(wordless, device=logits.device)
    return logits.index_copy(
        dim, without, strongest.sub(_BEHIND).repeat_interleave(len(without), dim)
    )


def _check_competing(scores: ClassScores) -> None:
    if not scores.competing:
        raise ModelError(
            "this engine scores each concept alone and visual examples need concepts that compete; "
            "choose a model such as naclip@mini"
        )
