"""Which colour-shape pairs a training never sees, and how the others are drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ovseg_annotate.datasets.scenes.scene import Pairs
from ovseg_annotate.datasets.scenes.words import COLOURS, SHAPES, names_of
from ovseg_annotate.errors import VocabularyError, listed_by_nearness

COLOUR_NAMES = names_of(COLOURS)
SHAPE_NAMES = names_of(SHAPES)
_UNSEEN_EVERY = 6
# One draw in six hits an unseen pair: a hundred miss them all once in 80 million pictures.
_DRAWS = 100


def _missing(column: int, row: int) -> bool:
    # The row's own shift keeps shapes that are six lines apart from missing the same colours.
    return (column + row + row // _UNSEEN_EVERY) % _UNSEEN_EVERY == 0


_UNSEEN = frozenset(
    (colour, shape)
    for row, shape in enumerate(SHAPE_NAMES)
    for column, colour in enumerate(COLOUR_NAMES)
    if _missing(column, row)
)


def is_unseen(colour: str, shape: str) -> bool:
    """Whether training pictures and texts must never show this pair.

    A Latin square over the word lists: each shape misses two of the twelve colours, each
    colour five or six of the shapes, so every word is often seen, but not every pair.
    """
    _check(colour, COLOUR_NAMES)
    _check(shape, SHAPE_NAMES)
    return (colour, shape) in _UNSEEN


def draw_pair(
    rng: np.random.Generator, pairs: Pairs, colours: Sequence[str], shapes: Sequence[str]
) -> tuple[str, str] | None:
    """One allowed (colour, shape) out of these colours and shapes; None if none was found."""
    for _ in range(_DRAWS):
        colour = colours[int(rng.integers(len(colours)))]
        shape = shapes[int(rng.integers(len(shapes)))]
        if pairs == "any" or ((colour, shape) in _UNSEEN) == (pairs == "unseen"):
            return colour, shape
    return None


def _check(word: str, words: tuple[str, ...]) -> None:
    if word not in words:
        raise VocabularyError(f"unknown word {word!r}; there is: {listed_by_nearness(word, words)}")
