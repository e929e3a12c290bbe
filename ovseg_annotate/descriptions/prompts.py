"""How one concept looks: phrases of colour, of shape and size, of texture and material."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol, TypeAlias

from ovseg_annotate.text.words import stem, words_of

# Part of cache keys and of provenance: changes when equal descriptions would give other sentences.
PROMPT_VERSION = "1"

Group: TypeAlias = Literal["colour", "shape_size", "texture_material"]
GROUPS: tuple[Group, ...] = ("colour", "shape_size", "texture_material")

_SEPARATORS = re.compile(r"[-_\s]+")
# What label maps of COCO-Stuff and its panoptic version add to a name.
_TAILS = frozenset({"merged", "other", "stuff"})
_ARTICLES = frozenset({"a", "an", "the"})


class Source(StrEnum):
    """Who described a concept."""

    FILE = "file"  # the person
    LEXICON = "lexicon"  # this package
    ENDPOINT = "endpoint"  # a language model, now or at an earlier time
    OTHERS = "others"  # nobody: phrases of other concepts, to compare with


@dataclass(frozen=True, slots=True)
class ConceptPrompt:
    """The description of one name as it was asked for."""

    name: str
    colour: tuple[str, ...] = ()
    shape_size: tuple[str, ...] = ()
    texture_material: tuple[str, ...] = ()
    synonyms: tuple[str, ...] = ()
    source: Source = Source.FILE
    version: str = PROMPT_VERSION

    def phrases(self, group: Group) -> tuple[str, ...]:
        phrases: tuple[str, ...] = getattr(self, group)
        return phrases

    @property
    def is_empty(self) -> bool:
        return not any(self.phrases(group) for group in GROUPS)


@dataclass(frozen=True, slots=True)
class Described:
    """What a provider answers: a prompt for each name in order, or None; and what went wrong."""

    prompts: tuple[ConceptPrompt | None, ...]
    warnings: tuple[str, ...] = ()


class Provider(Protocol):
    """One link of the chain."""

    @property
    def digest(self) -> str:
        """One line that differs whenever an answer may; part of provenance."""

    def describe(self, names: Sequence[str]) -> Described: ...


def key_of(name: str) -> str:
    """Equal for spellings of one name: "Wall-other", "wall"."""
    words = _SEPARATORS.sub(" ", name).strip().casefold().split(" ")
    while len(words) > 1 and words[-1] in _TAILS:
        words.pop()
    return " ".join(words)


def without_article(name: str) -> str:
    """From "a cat": "cat"."""
    first, _, rest = name.partition(" ")
    return rest if rest and first.casefold() in _ARTICLES else name


def repeats(phrase: str, name: str) -> bool:
    """Whether a phrase says a word that the name says already."""
    return not set(map(stem, words_of(phrase))).isdisjoint(map(stem, words_of(name)))
