"""Descriptions as sentences that a text tower can read.

The whole one is `A photo of a NAME, which is COLOUR, SHAPE, with TEXTURE.` A tower that reads few
tokens gets a shorter one, a tower that knows few words only phrases made of those.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from ovseg_annotate.descriptions.options import EnrichOptions
from ovseg_annotate.descriptions.prompts import (
    GROUPS,
    ConceptPrompt,
    Group,
    Source,
    repeats,
    without_article,
)
from ovseg_annotate.errors import VocabularyError
from ovseg_annotate.text.words import is_known, words_of

CLIP_TOKENS = 77  # what descriptions are written for; start and end marks included


@dataclass(frozen=True, slots=True)
class Reader:
    """What a text tower can read."""

    longest: int  # tokens of a text, start and end marks included
    count: Callable[[str], int]  # tokens of a text
    known_words: Collection[str] = ()  # empty: any

    @property
    def bare(self) -> bool:
        """A tower that was taught few words was taught phrases, not sentences."""
        return bool(self.known_words)


def sentences_of(prompt: ConceptPrompt, options: EnrichOptions, reader: Reader) -> tuple[str, ...]:
    """The sentences to average; empty where nothing is left to say to this tower."""
    said = {
        group: _sayable(prompt, group, reader) if group in options.said else () for group in GROUPS
    }
    groups = tuple(group for group in GROUPS if said[group])
    if not groups:
        return ()
    sentences: list[str] = []
    if options.sentences in ("whole", "both"):
        sentences.append(_fitting(prompt, said, reader))
    if options.sentences in ("single", "both"):
        for group in groups:
            sentences.append(_fitting(prompt, {group: said[group]}, reader))
    return tuple(dict.fromkeys(sentence for sentence in sentences if sentence))


def _sayable(prompt: ConceptPrompt, group: Group, reader: Reader) -> tuple[str, ...]:
    return tuple(
        phrase
        for phrase in prompt.phrases(group)
        if words_of(phrase)
        and not repeats(phrase, prompt.name)
        and is_known(phrase, reader.known_words)
    )


def _fitting(prompt: ConceptPrompt, said: dict[Group, tuple[str, ...]], reader: Reader) -> str:
    """The longest wording that the tower can read; empty: it can read none."""
    for number, shorter in enumerate(_ever_shorter(said)):
        sentence = _worded(prompt.name, shorter, bare=reader.bare)
        tokens = reader.count(sentence)
        if tokens <= reader.longest:
            return sentence
        if not number and reader.longest >= CLIP_TOKENS and prompt.source is Source.FILE:
            raise VocabularyError(
                f"the description of {prompt.name!r} makes a sentence of {tokens} tokens, start "
                f"and end marks included; this tower reads at most {reader.longest}: "
                f"{sentence!r}; leave some phrases out"
            )
    return ""


def _ever_shorter(said: dict[Group, tuple[str, ...]]) -> Iterator[dict[Group, tuple[str, ...]]]:
    """All, then without the last phrase of the group that has most, and so on."""
    left = dict(said)
    while any(left.values()):
        yield left
        # Of equally many, the last group goes first: colours are what towers read best.
        longest = max(reversed(left), key=lambda group: len(left[group]))
        left = {**left, longest: left[longest][:-1]}


def _worded(name: str, said: dict[Group, tuple[str, ...]], *, bare: bool) -> str:
    looks = [*said.get("colour", ()), *said.get("shape_size", ())]
    made = list(said.get("texture_material", ()))
    if bare:
        return ", ".join((name, *looks, *made))
    name = without_article(name)
    sentence = f"A photo of {_article(name)} {name}"
    if looks:
        sentence += f", which is {', '.join(looks)}"
    if made:
        sentence += f", with {' and '.join(made)}"
    return f"{sentence}."


def _article(name: str) -> str:
    return "an" if name[:1].casefold() in "aeio" and name[:1] else "a"
