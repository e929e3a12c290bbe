"""What an engine says about a window: a probability for each concept on a coarse grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ovseg_annotate.card import FoldRule
from ovseg_annotate.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True, eq=False)
class ClassScores:
    """Probabilities on the engine's own grid; row-major cells of `EngineCard.stride` pixels."""

    values: Tensor  # (windows, concepts, rows, columns), 0 to 1
    competing: bool  # True: concepts share one pixel (softmax); False: each alone (sigmoid)
    vocabulary: Vocabulary

    def __post_init__(self) -> None:
        if self.values.ndim != 4 or self.values.shape[1] != len(self.vocabulary):
            raise ValueError(
                f"scores of shape {tuple(self.values.shape)} for {len(self.vocabulary)} concepts"
            )


def fold(logits: Tensor, owners: Sequence[int], concepts: int, rule: FoldRule) -> Tensor:
    """(phrases, ...) logits -> (concepts, ...) probabilities that sum to one over concepts.

    "max" is the published rule: a softmax over all phrases, the strongest phrase of each concept,
    renormalised over concepts. The common denominator cancels, so it is the softmax over concepts
    of each one's strongest logit, and a synonym never takes anything from its own concept.
    "sum" adds the phrases of a concept up: a true probability, in which many phrases weigh more.
    """
    if rule == "max":
        return grouped(logits, owners, concepts, "max").softmax(dim=0)
    return grouped(logits.softmax(dim=0), owners, concepts, "sum")


def grouped(values: Tensor, owners: Sequence[int], concepts: int, rule: FoldRule) -> Tensor:
    """(phrases, ...) -> (concepts, ...): the maximum or the sum over each concept's phrases."""
    turns = _turns(owners, concepts)
    combine = torch.maximum if rule == "max" else torch.add
    everyone, first = turns[0]
    if everyone != list(range(concepts)):
        missing = sorted(set(range(concepts)) - set(everyone))
        raise ValueError(f"concepts without a phrase: {missing}")
    result = values[first]
    for numbers, phrases in turns[1:]:
        result[numbers] = combine(result[numbers], values[phrases])
    return result


def _turns(owners: Sequence[int], concepts: int) -> list[tuple[list[int], list[int]]]:
    """First every concept's first phrase, then the second of those that have one, and so on.

    Few steps, each over many concepts, in an order that does not depend on the device.
    """
    places: list[list[int]] = [[] for _ in range(concepts)]
    for phrase, owner in enumerate(owners):
        places[owner].append(phrase)
    longest = max((len(own) for own in places), default=0)
    return [
        (
            [number for number, own in enumerate(places) if len(own) > turn],
            [own[turn] for own in places if len(own) > turn],
        )
        for turn in range(max(longest, 1))
    ]
