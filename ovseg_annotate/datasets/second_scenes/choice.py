"""Which words a scene is about."""

from __future__ import annotations

import numpy as np

from ovseg_annotate.datasets.scenes.pairs import COLOUR_NAMES, SHAPE_NAMES, is_unseen
from ovseg_annotate.datasets.scenes.scene import Attributes, Pairs, SceneRules, SceneStyle
from ovseg_annotate.datasets.scenes.words import BACKGROUND, MATERIALS, TEXTURES, names_of

STYLES = (SceneStyle.EASY, SceneStyle.DISTRACTORS, SceneStyle.CROWDED)

_COUNTS = {SceneStyle.EASY: (1, 3), SceneStyle.DISTRACTORS: (3, 5), SceneStyle.CROWDED: (4, 9)}
_UNDER_THE_SKY = ("grass", "sand", "water", "snow", "road")
_HORIZONS, _MATERIALS = 0.2, 0.65  # up to which share: two materials, one, else a colour
_PLAIN = 0.45

_Pair = tuple[str, str]  # colour, shape


def draw_pairs(rules: SceneRules, rng: np.random.Generator) -> tuple[_Pair, ...]:
    """What to draw, in order; those that come later cover those before."""
    fewest, most = _COUNTS[rules.style]
    allowed = _allowed(rules.pairs)
    pairs: list[_Pair] = []
    for _ in range(rules.pictures_worth):
        first = _one_of(allowed, rng)
        count = int(rng.integers(fewest, most + 1))
        pairs.append(first)
        for _ in range(count - 1):
            pairs.append(_one_of(_related(first, allowed, rules.style, rng), rng))
    return tuple(pairs)


def draw_texture(rng: np.random.Generator) -> str:
    names = names_of(TEXTURES)
    return names[0] if rng.random() < _PLAIN else names[int(rng.integers(1, len(names)))]


def draw_ground_words(rng: np.random.Generator) -> tuple[Attributes, ...]:
    """One ground, or the sky and what is under it."""
    draw = rng.random()
    if draw < _HORIZONS:
        below = _UNDER_THE_SKY[int(rng.integers(len(_UNDER_THE_SKY)))]
        return Attributes(thing="sky"), Attributes(thing=below)
    if draw < _MATERIALS:
        names = names_of(MATERIALS)
        return (Attributes(thing=names[int(rng.integers(len(names)))]),)
    colour = COLOUR_NAMES[int(rng.integers(len(COLOUR_NAMES)))]
    return (Attributes(colour, None, "plain", BACKGROUND.canonical),)


def _allowed(pairs: Pairs) -> tuple[_Pair, ...]:
    return tuple(
        (colour, shape)
        for colour in COLOUR_NAMES
        for shape in SHAPE_NAMES
        if pairs == "any" or is_unseen(colour, shape) == (pairs == "unseen")
    )


def _related(
    first: _Pair, allowed: tuple[_Pair, ...], style: SceneStyle, rng: np.random.Generator
) -> tuple[_Pair, ...]:
    """Distractors have the colour or the shape of the first object; others are free."""
    if style is not SceneStyle.DISTRACTORS:
        return allowed
    shared = int(rng.integers(2))
    return tuple(pair for pair in allowed if pair[shared] == first[shared] and pair != first)


def _one_of(pairs: tuple[_Pair, ...], rng: np.random.Generator) -> _Pair:
    return pairs[int(rng.integers(len(pairs)))]
