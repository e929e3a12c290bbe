"""Descriptions by name: exact, by synonym, in the plural, or by the noun that the name ends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from ovseg_annotate.descriptions.prompts import (
    PROMPT_VERSION,
    ConceptPrompt,
    Described,
    Source,
    key_of,
    without_article,
)
from ovseg_annotate.descriptions.reading import as_plain, prompt_from, read_descriptions
from ovseg_annotate.errors import VocabularyError
from ovseg_annotate.text.words import stem

_FILE = Path(__file__).parent / "lexicon.json"
_JOINTS = (" of ", " with ", " on ", " in ", " made of ")  # what stands before is the thing
_DIGITS = 12  # of a digest, in provenance

_COLOURS = frozenset(
    """
    amber aqua beige black blue bronze brown chestnut colored colorful colourful cream crimson cyan
    dark emerald gold golden gray green grey indigo ivory jade lavender magenta maroon navy olive
    orange pale pink purple red salmon scarlet silver teal turquoise violet white yellow
    """.split()  # noqa: SIM905
)
_MATERIALS = frozenset(
    """
    brass brick bronze cardboard ceramic checkered clay cloth concrete cotton dotted fabric fluffy
    glass iron leather marble metal metallic paper plastic rough rubber shiny smooth speckled
    spotted steel stone straw striped textured velvet wet wicker wood wooden wool woolen
    """.split()  # noqa: SIM905
)


class Lexicon:
    """Finds descriptions; what a name says beside its noun takes the place of what we say."""

    def __init__(self, entries: Iterable[ConceptPrompt]) -> None:
        self.entries = tuple(entries)
        self._by_key: dict[str, ConceptPrompt] = {}
        for entry in self.entries:
            self._put(key_of(entry.name), entry)
        for entry in self.entries:
            for synonym in entry.synonyms:
                # A name of its own counts more than being a synonym of another.
                self._by_key.setdefault(key_of(synonym), entry)
        self._by_stem = {_stemmed(key): entry for key, entry in reversed(self._by_key.items())}

    @property
    def digest(self) -> str:
        plain = json.dumps([as_plain(entry) for entry in self.entries], sort_keys=True)
        content = hashlib.sha256(plain.encode()).hexdigest()[:_DIGITS]
        source = self.entries[0].source if self.entries else "empty"
        return f"{source}-{PROMPT_VERSION}-{content}"

    def describe(self, names: Sequence[str]) -> Described:
        return Described(tuple(self.find(name) for name in names))

    def find(self, name: str) -> ConceptPrompt | None:
        """The description of a name as it was asked for; None: nothing is known."""
        key = without_article(key_of(name))
        entry = self._exact(key)
        if entry is not None:
            return replace(entry, name=name)
        noun, said = _noun_of(key)
        words = noun.split(" ")
        for first in range(len(words)):
            entry = self._exact(" ".join(words[first:]))
            if entry is not None:
                return _modified(replace(entry, name=name), (*words[:first], *said))
        return None

    def _exact(self, key: str) -> ConceptPrompt | None:
        return self._by_key.get(key) or self._by_stem.get(_stemmed(key))

    def _put(self, key: str, entry: ConceptPrompt) -> None:
        if key in self._by_key:
            raise VocabularyError(
                f"{entry.name!r} is described twice (also as {self._by_key[key].name!r}); put "
                "both into one entry"
            )
        self._by_key[key] = entry


@cache
def bundled_lexicon() -> Lexicon:
    """The descriptions that come with the package, in its own words."""
    content = json.loads(_FILE.read_text(encoding="utf-8"))
    return Lexicon(
        prompt_from(entry, f"{_FILE.name}, entry {number}", Source.LEXICON)
        for number, entry in enumerate(content["descriptions"], start=1)
    )


def lexicon_of_file(path: Path) -> Lexicon:
    """A person's own descriptions."""
    try:
        return Lexicon(read_descriptions(path))
    except VocabularyError as error:
        told = str(error)
        raise VocabularyError(told if str(path) in told else f"{path}: {told}") from error


def _modified(entry: ConceptPrompt, modifiers: Sequence[str]) -> ConceptPrompt:
    """A "wooden chair" is not "wood, metal or cloth", and a "red chair" is not brown."""
    colours = tuple(word for word in modifiers if word in _COLOURS)
    materials = tuple(word for word in modifiers if word in _MATERIALS)
    others = tuple(word for word in modifiers if word not in _COLOURS | _MATERIALS)
    return replace(
        entry,
        colour=colours or entry.colour,
        texture_material=materials or entry.texture_material,
        shape_size=(*others, *entry.shape_size),
    )


def _noun_of(key: str) -> tuple[str, tuple[str, ...]]:
    """From "bowl of fruit": "bowl" and ("fruit",)."""
    for joint in _JOINTS:
        noun, found, rest = key.partition(joint)
        if found and noun.strip():
            return without_article(noun.strip()), (without_article(rest.strip()),)
    return key, ()


def _stemmed(key: str) -> str:
    """Without the plural of its last word, "leaves" and "children" left to the synonyms."""
    *rest, last = key.split(" ")
    return " ".join((*rest, stem(last)))
