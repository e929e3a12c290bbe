"""How much each phrase of a concept counts, as corrections taught it. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class PhraseWeight:
    """A phrase counts as so many; together, those of a concept count as many as they are."""

    concept: str  # its name in lower case
    phrase: str
    weight: float  # above 0; 1: as if nothing were learnt

    def __post_init__(self) -> None:
        if not 0 < self.weight <= _LARGEST:
            raise ValueError(
                f"a phrase of weight {self.weight}; allowed: a number above 0, up to {_LARGEST:g}"
            )


_LARGEST = 1e6  # no concept has so many phrases
_MUCH_LESS = 0.5  # of what it counted: a phrase is named that lost so much
_NAMED = 5  # at most


def counting_less(learnt: Sequence[PhraseWeight]) -> str:
    """For the person: which phrases lost half of their weight or more, the worst first."""
    worst = sorted(
        (each for each in learnt if each.weight <= _MUCH_LESS), key=lambda each: each.weight
    )
    named = [f"{each.phrase!r} for {each.concept} ({each.weight:.2f})" for each in worst[:_NAMED]]
    more = len(worst) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")


def shared_phrases(vocabulary: Vocabulary) -> tuple[int, ...]:
    """Places in `vocabulary.phrases` of those that mean a labelled concept together with others.

    Only they can be weighed: corrections name concepts that are labelled.
    """
    return tuple(
        place
        for place, owner in enumerate(vocabulary.phrase_owners)
        if not vocabulary.concepts[owner].negative and len(vocabulary.concepts[owner].phrases) > 1
    )


def weights_among(learnt: Iterable[PhraseWeight], vocabulary: Vocabulary) -> NDArray[np.float64]:
    """The weights of the shared phrases of any words, in order; 1 where nothing was learnt.

    Where a concept has other phrases now, they still count as many as they are: what is left when
    the one that misled is taken away counts as if nothing were learnt.
    """
    known = {(each.concept, each.phrase): each.weight for each in learnt}
    places = shared_phrases(vocabulary)
    owners = np.array([vocabulary.phrase_owners[place] for place in places], np.int64)
    weights = np.array(
        [
            known.get((vocabulary.names[owner].casefold(), vocabulary.phrases[place]), 1.0)
            for place, owner in zip(places, owners.tolist(), strict=True)
        ]
    )
    for owner in np.unique(owners):
        own = owners == owner
        weights[own] *= own.sum() / weights[own].sum()
    return weights
