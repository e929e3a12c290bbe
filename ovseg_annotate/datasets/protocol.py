"""What is asked of a data set, and how the values of its label maps answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.errors import FormatError, VocabularyError, listed_by_nearness
from ovseg_annotate.geometry import Size
from ovseg_annotate.vocabulary import Concept, Vocabulary

BACKGROUND = "background"


class Background(StrEnum):
    """What becomes of pixels that are none of the concepts."""

    IGNORED = "ignored"  # they do not count; nothing competes and every pixel gets a concept
    ASKED = "asked"  # a concept as the others, asked for by the word "background"
    COMPETING = "competing"  # a concept that is not asked for: what the competing words win
    THRESHOLD = "threshold"  # a concept that is not asked for: what stays unlabelled
    OPEN = "open"  # no concept; labelling them is a mistake

    @property
    def is_unlabelled(self) -> bool:
        """Pixels that the session leaves unlabelled are answered with "background"."""
        return self in (Background.COMPETING, Background.THRESHOLD)

    @property
    def takes_the_strongest(self) -> bool:
        """The strongest word wins each pixel: no threshold, no contrast phrases of ours."""
        return self in (Background.IGNORED, Background.ASKED, Background.COMPETING)


@dataclass(frozen=True, slots=True)
class Resize:
    """The size at which a tower sees a picture: its short side, unless the long one gets too long.

    Scores are always counted at the picture's own size.
    """

    short_side: int  # px
    long_side: int = 2048  # px, at most

    def scale_for(self, size: Size) -> str:
        """As `AnnotateOptions.scale` has it."""
        shorter, longer = sorted((size.height, size.width))
        if self.short_side * longer <= self.long_side * shorter:
            return str(self.short_side)
        return f"{self.long_side / longer:.6f}x"


@dataclass(frozen=True, slots=True, eq=False)
class Protocol:
    """One way to measure on a data set; label k + 1 is concept k."""

    name: str  # such as "a150"
    split: str  # such as "validation"
    concepts: tuple[Concept, ...]  # "background" stands last where it is one of them
    meaning: Mapping[int, str]  # the concept of a value; several values may mean one
    background: Background
    ignored: frozenset[int] = frozenset()  # values of pixels that do not count
    empty: frozenset[int] = frozenset()  # values of pixels that count and are no concept
    competing: tuple[Concept, ...] = ()  # negative ones, asked for beside the concepts
    resize: Resize | None = None  # None: as the engine likes it

    @property
    def ignore(self) -> int:
        """The label of pixels that do not count."""
        return len(self.concepts) + 1

    @property
    def asked(self) -> tuple[Concept, ...]:
        """The concepts that the session is asked for, in the order of the data set."""
        return self.concepts[:-1] if self.background.is_unlabelled else self.concepts

    def labels_of(self, values: NDArray[np.integer], where: object) -> NDArray[np.uint16]:
        """The label of each pixel: 0 where it is no concept, `ignore` where it does not count."""
        found, places = np.unique(values, return_inverse=True)
        label_of = {concept.name: label for label, concept in enumerate(self.concepts, start=1)}
        table = np.zeros(len(found), np.uint16)
        for place, value in enumerate(found.tolist()):
            if value in self.meaning:
                table[place] = label_of[self.meaning[value]]
            elif value in self.ignored:
                table[place] = self.ignore
            elif value not in self.empty:
                raise FormatError(
                    f"{where} has value {value}, which protocol {self.name!r} does not know; "
                    f"it knows {_ranges({*self.meaning, *self.ignored, *self.empty})}. Is the map "
                    "of another data set, or saved in colours?"
                )
        labels: NDArray[np.uint16] = table[places].reshape(values.shape)
        return labels

    def asked_as(self, words: Vocabulary) -> tuple[tuple[Concept, ...], tuple[Concept, ...]]:
        """Concepts and competing ones when a person says how to ask for some of them."""
        said = {word.name.casefold(): word for word in words if not word.negative}
        known = {concept.name.casefold() for concept in self.asked}
        for key, word in said.items():
            if key not in known:
                raise VocabularyError(
                    f"protocol {self.name!r} has no {word.name!r}; there is: "
                    f"{listed_by_nearness(word.name, (each.name for each in self.asked))}"
                )
        concepts = tuple(
            replace(said[each.name.casefold()], name=each.name)
            if each.name.casefold() in said
            else each
            for each in self.asked
        )
        taken = known | {each.name.casefold() for each in self.competing}
        more = (word for word in words if word.negative and word.name.casefold() not in taken)
        return concepts, (*self.competing, *more)

    @property
    def sentence(self) -> str:
        """For a person who reads the scores."""
        rule = {
            Background.IGNORED: "pixels of none of them do not count, every pixel gets a concept",
            Background.ASKED: f"{BACKGROUND!r} is asked for like the others",
            Background.COMPETING: f"what {len(self.competing)} competing words win is background",
            Background.THRESHOLD: "what stays unlabelled is background",
            Background.OPEN: "labelling what is none of them is a mistake",
        }[self.background]
        seen = "" if self.resize is None else f", seen at a short side of {self.resize.short_side}"
        return f"{self.name}: {len(self.concepts)} concepts, {self.split}; {rule}{seen}"


def numbered_concepts(
    texts: Mapping[int, str],
) -> tuple[tuple[Concept, ...], dict[int, str]]:
    """Concepts of lists such as {2: "building, edifice"}, and the name that each value got.

    The first phrase is the name; where it is taken the whole text is, and after that a number.
    """
    firsts = Counter(_phrases(text)[0].casefold() for text in texts.values())
    concepts: list[Concept] = []
    names: dict[int, str] = {}
    taken: Counter[str] = Counter()  # how often a name was wanted
    for value, text in texts.items():
        phrases = _phrases(text)
        name = phrases[0] if firsts[phrases[0].casefold()] == 1 else ", ".join(phrases)
        unique = name
        while taken[unique.casefold()]:
            taken[name.casefold()] += 1
            unique = f"{name} ({taken[name.casefold()]})"
        taken[unique.casefold()] += 1
        concepts.append(Concept(unique, phrases))
        names[value] = concepts[-1].name
    return tuple(concepts), names


def _phrases(text: str) -> tuple[str, ...]:
    phrases = tuple(part.strip() for part in text.split(",") if part.strip())
    if not phrases:
        raise VocabularyError(f"a concept needs a name, got {text!r}")
    return phrases


def _ranges(values: set[int]) -> str:
    """Numbers as a person writes them: 0-19, 255."""
    parts: list[list[int]] = []
    for value in sorted(values):
        if parts and value == parts[-1][1] + 1:
            parts[-1][1] = value
        else:
            parts.append([value, value])
    shown = [f"{first}" if first == last else f"{first}-{last}" for first, last in parts]
    return ", ".join(shown[:12]) + (", ..." if len(shown) > 12 else "")
