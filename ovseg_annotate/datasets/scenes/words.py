"""The words of the generated world, and the ways to say each of them.

A second, independently written generator draws from these lists too, so a word means what
its everyday picture is, not what this package's brush makes of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ovseg_annotate.errors import VocabularyError, listed_by_nearness


@dataclass(frozen=True, slots=True)
class Word:
    """One meaning: the name it has in attributes, and what else a text may call it."""

    canonical: str
    synonyms: tuple[str, ...]

    @property
    def phrases(self) -> tuple[str, ...]:
        return (self.canonical, *self.synonyms)


COLOURS: tuple[Word, ...] = (
    Word("red", ("crimson", "scarlet")),
    Word("orange", ("tangerine", "amber")),
    Word("yellow", ("golden", "lemon")),
    Word("green", ("emerald", "jade")),
    Word("cyan", ("turquoise", "aqua")),
    Word("blue", ("cobalt", "sapphire")),
    Word("purple", ("violet",)),
    Word("pink", ("rose colored", "salmon pink")),
    Word("brown", ("chocolate", "chestnut")),
    Word("black", ("ebony", "jet black")),
    Word("white", ("ivory", "snow white")),
    Word("gray", ("grey", "silver")),
)

# Fifteen figures of geometry, then twenty silhouettes.
SHAPES: tuple[Word, ...] = (
    Word("circle", ("disc", "disk", "round spot")),
    Word("square", ("box",)),
    Word("triangle", ("wedge",)),
    Word("star", ("pointed star",)),
    Word("cross", ("plus sign", "plus")),
    Word("ring", ("hoop", "annulus", "donut")),
    Word("heart", ("love heart",)),
    Word("crescent", ("crescent moon", "moon sickle")),
    Word("arrow", ("pointer",)),
    Word("diamond", ("rhombus", "lozenge")),
    Word("pentagon", ("five sided polygon",)),
    Word("hexagon", ("six sided polygon",)),
    Word("ellipse", ("oval",)),
    Word("rectangle", ("oblong", "bar")),
    Word("semicircle", ("half circle", "half disc")),
    Word("house", ("home", "cottage")),
    Word("tree", ("fir tree", "leafy tree")),
    Word("car", ("automobile", "vehicle")),
    Word("fish", ("swimming fish",)),
    Word("leaf", ("tree leaf",)),
    Word("flower", ("blossom", "bloom")),
    Word("boat", ("sailboat", "ship")),
    Word("mushroom", ("toadstool", "fungus")),
    Word("cloud", ("puffy cloud",)),
    Word("cup", ("mug",)),
    Word("bird", ("songbird",)),
    Word("butterfly", ("moth",)),
    Word("key", ("door key",)),
    Word("bottle", ("flask",)),
    Word("hand", ("palm", "open hand")),
    Word("umbrella", ("parasol",)),
    Word("rocket", ("spaceship", "missile")),
    Word("lamp", ("table lamp", "desk lamp")),
    Word("bell", ("hand bell",)),
    Word("apple", ("apple fruit",)),
)

TEXTURES: tuple[Word, ...] = (
    Word("plain", ("solid", "uniform")),
    Word("striped", ("banded", "with stripes")),
    Word("dotted", ("spotted", "with dots")),
    Word("checkered", ("checked", "with checks")),
    Word("noisy", ("speckled", "grainy")),
    Word("gradient", ("shaded", "fading")),
)

MATERIALS: tuple[Word, ...] = (
    Word("grass", ("lawn", "meadow")),
    Word("sky", ("open sky",)),
    Word("sand", ("beach", "desert sand")),
    Word("water", ("sea", "lake")),
    Word("wood", ("wooden planks", "timber")),
    Word("brick", ("brick wall", "bricks")),
    Word("snow", ("snowy ground",)),
    Word("road", ("asphalt", "street")),
    Word("fabric", ("cloth", "textile")),
    Word("stone", ("cobblestone", "rock")),
)

MICRO_THINGS: tuple[Word, ...] = (
    Word("nucleus", ("cell nucleus", "nuclei", "cell nuclei")),
    Word("cell", ("cytoplasm", "cell body", "cells")),
    Word("filament", ("fiber", "fibre", "filaments")),
    Word("bacterium", ("bacteria", "rod bacterium")),
    Word("bead", ("microbead", "beads")),
)

MICRO_GROUNDS: tuple[Word, ...] = (
    Word("dark background", ("dark field", "empty dark background")),
    Word("tissue", ("stained tissue", "tissue background")),
    Word("bright field", ("bright background", "empty glass slide")),
)

# Said of a region whatever its shape or material is.
OBJECT = Word("object", ("thing", "shape", "item"))
BACKGROUND = Word("background", ("backdrop", "surroundings"))

# Everything that can stand behind the objects; all of it is also "background".
GROUNDS: frozenset[str] = frozenset(
    word.canonical for word in (*MATERIALS, *MICRO_GROUNDS, BACKGROUND)
)

WORDS: tuple[Word, ...] = (
    *COLOURS,
    *SHAPES,
    *TEXTURES,
    *MATERIALS,
    *MICRO_THINGS,
    *MICRO_GROUNDS,
    OBJECT,
    BACKGROUND,
)


def _by_name(words: Iterable[Word]) -> Mapping[str, Word]:
    return MappingProxyType({word.canonical: word for word in words})


_WORD_NAMED = _by_name(WORDS)


def word_named(canonical: str) -> Word:
    word = _WORD_NAMED.get(canonical)
    if word is None:
        raise VocabularyError(
            f"the generated world has no word {canonical!r}; "
            f"there is: {listed_by_nearness(canonical, _WORD_NAMED)}"
        )
    return word


def names_of(words: Iterable[Word]) -> tuple[str, ...]:
    return tuple(word.canonical for word in words)


def all_phrases() -> tuple[str, ...]:
    """Every text a word can have, once: what a tokenizer for this world must cover."""
    return tuple(dict.fromkeys(phrase for word in WORDS for phrase in word.phrases))
