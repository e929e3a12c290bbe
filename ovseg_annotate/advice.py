"""Sentences for the person about words that will not work well."""

from __future__ import annotations

from collections.abc import Collection

from ovseg_annotate.text.bank import TextBank
from ovseg_annotate.text.similar import near_duplicates
from ovseg_annotate.text.words import unknown_words

_PAIRS = 5  # told in full; more of them say the same


def advice_on(bank: TextBank, known_words: Collection[str]) -> tuple[str, ...]:
    """What to tell about near-duplicates and about words that the tower was never taught."""
    return (*_on_near_duplicates(bank), *_on_unknown_words(bank, known_words))


def _on_near_duplicates(bank: TextBank) -> list[str]:
    concepts = bank.vocabulary.concepts
    pairs = [
        pair
        for pair in near_duplicates(bank)
        if not (concepts[pair.first].negative and concepts[pair.second].negative)
    ]
    sentences = [
        f"{concepts[pair.first].name!r} and {concepts[pair.second].name!r} mean almost the same "
        f"to this model (cosine {pair.cosine:.2f}); make them phrases of one concept, or choose "
        "words further apart"
        for pair in pairs[:_PAIRS]
    ]
    if len(pairs) > _PAIRS:
        sentences.append(f"{len(pairs) - _PAIRS} more pairs of concepts mean almost the same")
    return sentences


def _on_unknown_words(bank: TextBank, known_words: Collection[str]) -> list[str]:
    unknown = unknown_words(bank.vocabulary, known_words)
    if not unknown:
        return []
    told = ", ".join(
        repr(one.word) + (f" (nearest: {', '.join(one.nearest)})" if one.nearest else "")
        for one in unknown
    )
    return [
        f"this model was never taught {told}; it knows {', '.join(sorted(known_words))}; "
        "for other words choose a tower with an open vocabulary: ovseg models"
    ]
