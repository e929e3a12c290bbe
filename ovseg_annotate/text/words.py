"""Words inside phrases, compared as people mean them: case and plural make no difference."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection
from dataclasses import dataclass

from ovseg_annotate.vocabulary import Vocabulary

_WORD = re.compile(r"[^\W_]+")
_SMALL_WORDS = frozenset(
    "a an and at by for from in of on or out the to under with without".split()  # noqa: SIM905
)


@dataclass(frozen=True, slots=True)
class UnknownWord:
    """A word that a tower of few words was never taught."""

    word: str
    phrase: str  # where it stands
    nearest: tuple[str, ...]  # known words that look like it, best first; may be empty


def words_of(text: str) -> tuple[str, ...]:
    """The words of a text in lower case, without the small ones, such as "of"."""
    return tuple(word for word in _WORD.findall(text.casefold()) if word not in _SMALL_WORDS)


def stem(word: str) -> str:
    """The word without a plural ending, by the plain rules of English."""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("ches", "shes", "sses", "xes", "zes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def is_known(phrase: str, known_words: Collection[str]) -> bool:
    """Whether a tower that knows `known_words` (empty: any) knows every word of the phrase."""
    return not known_words or set(map(stem, words_of(phrase))) <= _known_stems(known_words)


def unknown_words(vocabulary: Vocabulary, known_words: Collection[str]) -> tuple[UnknownWord, ...]:
    """Words of the vocabulary that the tower does not know, once each; empty when it knows any."""
    if not known_words:
        return ()
    known = _known_stems(known_words)
    listed = sorted({word for entry in known_words for word in words_of(entry)})
    found: dict[str, UnknownWord] = {}
    for phrase in vocabulary.phrases:
        for word in words_of(phrase):
            if stem(word) not in known and word not in found:
                nearest = difflib.get_close_matches(word, listed, n=3, cutoff=0.6)
                found[word] = UnknownWord(word, phrase, tuple(nearest))
    return tuple(found.values())


def _known_stems(known_words: Collection[str]) -> frozenset[str]:
    return frozenset(stem(word) for entry in known_words for word in words_of(entry))
