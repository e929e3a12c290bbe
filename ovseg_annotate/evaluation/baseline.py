"""The rule that a model has to beat: a pixel is the concept whose colour word is nearest to it.

It knows the colour words of the generated scenes and what colour its grounds mostly have. It knows
no shape, so "red circle" and "red star" are the same to it: the one listed first wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.label_map import label_dtype
from ovseg_annotate.vocabulary import Colour, Vocabulary

_COLOURS: Mapping[str, Colour] = MappingProxyType(
    {
        "red": (220, 30, 30),
        "orange": (245, 140, 20),
        "yellow": (245, 220, 40),
        "green": (40, 150, 50),
        "cyan": (40, 205, 215),
        "blue": (35, 70, 200),
        "purple": (130, 50, 170),
        "pink": (245, 150, 185),
        "brown": (125, 80, 45),
        "black": (20, 20, 20),
        "white": (245, 245, 245),
        "gray": (130, 130, 130),
        "grass": (80, 130, 50),
        "sky": (130, 180, 230),
        "sand": (215, 190, 140),
        "water": (40, 100, 150),
        "wood": (155, 110, 65),
        "brick": (165, 75, 55),
        "snow": (238, 242, 248),
        "road": (85, 85, 88),
        "stone": (140, 138, 135),
        "dark background": (15, 15, 18),
        "tissue": (230, 190, 210),
        "bright field": (225, 225, 220),
    }
)


def nearest_colour(
    pixels: NDArray[np.uint8], vocabulary: Vocabulary
) -> NDArray[np.uint8] | NDArray[np.uint16] | None:
    """A label for every pixel; None when no concept has a colour that is known."""
    known = [
        (label, colour)
        for label in vocabulary.labels
        if (colour := _colour_of(vocabulary.names[label - 1])) is not None
    ]
    if not known:
        return None
    table = np.array([label for label, _ in known], label_dtype(vocabulary))
    colours = np.array([colour for _, colour in known], np.float32)  # (known, 3)
    values = pixels.astype(np.float32)
    # |p - c|^2 without its |p|^2, which is the same for all colours.
    distances = (colours**2).sum(axis=1) - 2 * values @ colours.T  # (height, width, known)
    nearest: NDArray[np.uint8] | NDArray[np.uint16] = table[distances.argmin(axis=2)]
    return nearest


def _colour_of(name: str) -> Colour | None:
    if name in _COLOURS:
        return _COLOURS[name]
    return next((_COLOURS[word] for word in name.split() if word in _COLOURS), None)
