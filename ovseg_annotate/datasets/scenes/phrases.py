"""Texts about regions: true at a random level of detail, with random words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ovseg_annotate.datasets.scenes.scene import Attributes
from ovseg_annotate.datasets.scenes.words import BACKGROUND, GROUNDS, OBJECT, word_named
from ovseg_annotate.errors import VocabularyError

# Half of all texts use the word itself, so that it stays the surest one.
_CANONICAL_SHARE = 0.5
_CAPTION_OBJECTS = 3

# Up to which share of the texts about objects say (colour, shape, texture).
_OBJECT_LEVELS = (
    (0.26, (False, True, False)),
    (0.62, (True, True, False)),
    (0.74, (True, True, True)),
    (0.82, (False, True, True)),
    (0.92, (True, False, False)),
    (0.97, (False, False, True)),
    (1.00, (True, False, True)),
)


@dataclass(frozen=True, slots=True)
class Phrase:
    text: str
    states: Attributes  # only what the text says


def matches(phrase_attributes: Attributes, region: Attributes) -> bool:
    """Whether a phrase that says `phrase_attributes` is true of a region that is `region`."""
    return (
        phrase_attributes.colour in (None, region.colour)
        and phrase_attributes.shape in (None, region.shape)
        and phrase_attributes.texture in (None, region.texture)
        and _thing_matches(phrase_attributes.thing, region)
    )


def _thing_matches(said: str | None, region: Attributes) -> bool:
    if said == OBJECT.canonical:
        return region.shape is not None
    if said == BACKGROUND.canonical:
        return region.thing in GROUNDS
    return said in (None, region.thing)


def name_of(attributes: Attributes) -> str:
    """The concept that a region counts for in an evaluation."""
    if attributes.shape is not None:
        return f"{attributes.colour} {attributes.shape}"
    if attributes.thing is None:
        raise VocabularyError(f"a region needs a shape or a thing, got {attributes}")
    if attributes.thing == BACKGROUND.canonical:
        return f"{attributes.colour} {BACKGROUND.canonical}"
    return attributes.thing


def draw_statement(attributes: Attributes, rng: np.random.Generator) -> Attributes:
    """Some of what is true of a region: enough to make a phrase of."""
    level = rng.random()
    if attributes.shape is None:
        return _ground_or_micro_statement(attributes, level)
    says_colour, says_shape, says_texture = next(
        says for upto, says in _OBJECT_LEVELS if level < upto
    )
    return Attributes(
        colour=attributes.colour if says_colour else None,
        shape=attributes.shape if says_shape else None,
        texture=attributes.texture if says_texture else None,
        thing=None if says_shape else OBJECT.canonical,
    )


def _ground_or_micro_statement(attributes: Attributes, level: float) -> Attributes:
    thing = attributes.thing
    if thing == BACKGROUND.canonical:
        return Attributes(colour=attributes.colour if level < 0.65 else None, thing=thing)
    if thing in GROUNDS:
        return Attributes(thing=thing if level < 0.75 else BACKGROUND.canonical)
    return Attributes(colour=attributes.colour if level < 0.2 else None, thing=thing)


def phrase_saying(states: Attributes, rng: np.random.Generator) -> str:
    """Put exactly these attributes into words."""
    head = states.shape or states.thing
    before = [states.texture, states.colour]
    words = [_said(word, rng) for word in before if word is not None]
    if len(words) == 2 and rng.random() < 0.5:
        words.reverse()
    trailing = [word for word in words if word.startswith("with ")]
    words = [word for word in words if not word.startswith("with ")]
    if head is not None:
        words.append(_said_head(head, bare=not words, rng=rng))
    return " ".join([*words, *trailing])


def _said(canonical: str, rng: np.random.Generator) -> str:
    synonyms = word_named(canonical).synonyms
    if not synonyms or rng.random() < _CANONICAL_SHARE:
        return canonical
    return synonyms[int(rng.integers(len(synonyms)))]


def _said_head(canonical: str, *, bare: bool, rng: np.random.Generator) -> str:
    said = _said(canonical, rng)
    takes_ground = canonical in GROUNDS and "ground" not in said and canonical != "bright field"
    if bare and takes_ground and rng.random() < 0.15:
        return f"{said} {BACKGROUND.canonical}"
    return said


def draw_phrase(attributes: Attributes, rng: np.random.Generator) -> Phrase:
    states = draw_statement(attributes, rng)
    return Phrase(phrase_saying(states, rng), states)


def phrases_of(attributes: Attributes, rng: np.random.Generator) -> str:
    """A true phrase at a random level of detail: "circle", "crimson striped disc", "lawn"."""
    return draw_phrase(attributes, rng).text


def caption_of(regions: Sequence[Attributes], rng: np.random.Generator) -> str:
    """One sentence about a few of the objects and the ground; fits twenty tokens or so."""
    grounds = [one for one in regions if one.thing in GROUNDS]
    others = [one for one in regions if one.thing not in GROUNDS]
    distinct = list(dict.fromkeys(_caption_statement(one, others, rng) for one in others))
    rng.shuffle(distinct)
    said = [_with_article(phrase_saying(one, rng)) for one in distinct[:_CAPTION_OBJECTS]]
    ground = grounds[int(rng.integers(len(grounds)))]
    behind = phrase_saying(replace(ground, texture=None, colour=_ground_colour(ground)), rng)
    if not said:
        return f"a picture of {behind}"
    listed = said[0] if len(said) == 1 else f"{', '.join(said[:-1])} and {said[-1]}"
    return f"{listed} {'on' if rng.random() < 0.7 else 'in front of'} {behind}"


def _caption_statement(
    attributes: Attributes, others: Sequence[Attributes], rng: np.random.Generator
) -> Attributes:
    if attributes.shape is None:
        return Attributes(thing=attributes.thing)
    texture = attributes.texture if len(others) < 3 and rng.random() < 0.3 else None
    colour = attributes.colour if rng.random() < 0.85 else None
    return Attributes(colour=colour, shape=attributes.shape, texture=texture)


def _ground_colour(ground: Attributes) -> str | None:
    return ground.colour if ground.thing == BACKGROUND.canonical else None


def _with_article(text: str) -> str:
    return f"{'an' if text[0] in 'aeiou' else 'a'} {text}"
