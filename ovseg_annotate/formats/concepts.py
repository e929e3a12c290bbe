"""Concepts as numbers: what formats need that name their concepts once for many pictures."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ovseg_annotate.errors import FormatError, VocabularyError, listed_by_nearness
from ovseg_annotate.formats.atomic import write_atomically
from ovseg_annotate.plain_data import shown
from ovseg_annotate.regions import AnnotatedImage
from ovseg_annotate.vocabulary import Colour, Concept, Vocabulary


class ConceptTable:
    """Numbers concepts from 0 on, in the order in which the pictures bring them.

    Pictures of one run share a vocabulary, so the numbers follow it; what a later picture adds
    goes behind.
    """

    def __init__(self, *, negative: bool = False) -> None:
        """`negative`: count negative concepts too, so that number + 1 is the label."""
        self._negative = negative
        self._numbers: dict[str, int] = {}
        self._colours: list[Colour] = []
        self._last: Vocabulary | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._numbers)

    @property
    def colours(self) -> tuple[Colour, ...]:
        return tuple(self._colours)

    def add(self, vocabulary: Vocabulary) -> None:
        """Number what is new."""
        if vocabulary is self._last:
            return
        for concept, colour in zip(vocabulary, vocabulary.colours, strict=True):
            if (self._negative or not concept.negative) and concept.name not in self._numbers:
                self._numbers[concept.name] = len(self._numbers)
                self._colours.append(colour)
        self._last = vocabulary

    def numbers_of(self, image: AnnotatedImage) -> tuple[int, ...]:
        """The number of each region's concept."""
        self.add(image.vocabulary)
        return tuple(self._number(region.concept, image.name) for region in image.regions)

    def _number(self, concept: str, picture: str) -> int:
        try:
            return self._numbers[concept]
        except KeyError:
            raise FormatError(
                f"{picture}: a region of {concept!r}, which is not among the concepts to label; "
                f"there is: {listed_by_nearness(concept, self._numbers)}"
            ) from None


class ReadConcepts:
    """The concepts that a file lists, and the names they got in our vocabulary."""

    def __init__(self, names: Iterable[str], where: str) -> None:
        try:
            concepts = {name: Concept(name) for name in dict.fromkeys(names)}
            self.vocabulary = Vocabulary(tuple(concepts.values()))
        except VocabularyError as error:
            raise FormatError(f"{where}: the concepts cannot be used: {error}") from error
        self._names = {given: concept.name for given, concept in concepts.items()}
        self._where = where

    def named(self, given: str, where: str) -> str:
        """Our name of a concept; spaces at its ends, for example, are gone."""
        try:
            return self._names[given]
        except KeyError:
            raise FormatError(
                f"{where}: the concept {shown(given)} is not in the list of {self._where}; "
                f"there is: {listed_by_nearness(given, self._names)}"
            ) from None


def parsed_vocabulary(text: str, where: str) -> Vocabulary:
    """Read the grammar from a file."""
    try:
        return Vocabulary.parse(text)
    except VocabularyError as error:
        raise FormatError(f"{where}: {error}") from error


def extended(vocabulary: Vocabulary, names: Iterable[str], where: str) -> Vocabulary:
    """The vocabulary and, behind it, concepts that people added; the same one if there are none."""
    known = set(vocabulary.names)
    new = [name for name in dict.fromkeys(names) if name not in known]
    if not new:
        return vocabulary
    try:
        return Vocabulary((*vocabulary.concepts, *(Concept(name) for name in new)))
    except VocabularyError as error:
        raise FormatError(f"{where}: {error}") from error


def write_names(path: Path, names: Iterable[str]) -> Path:
    """One name a line."""
    return write_atomically(path, "".join(f"{name}\n" for name in names))


def read_names(path: Path) -> tuple[str, ...]:
    """Read what `write_names` wrote; empty lines do not count."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"cannot read the concepts in {path}: {error}") from error
    return tuple(line for line in text.split("\n") if line.strip())
