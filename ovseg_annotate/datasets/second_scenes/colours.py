"""What a colour word looks like: a few everyday tones each, and shades of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

Colour: TypeAlias = tuple[int, int, int]

_LIGHT, _HUE = 7.0, 3.0  # standard deviations: of all channels together, and of each

TONES: Mapping[str, tuple[Colour, ...]] = MappingProxyType(
    {
        "red": ((206, 32, 38), (226, 50, 44), (176, 22, 34)),
        "orange": ((242, 128, 24), (250, 148, 50), (228, 112, 16)),
        "yellow": ((244, 214, 40), (250, 226, 84), (228, 198, 22)),
        "green": ((42, 148, 56), (70, 172, 70), (24, 116, 52)),
        "cyan": ((40, 202, 212), (84, 218, 222), (22, 178, 194)),
        "blue": ((36, 74, 194), (54, 98, 218), (26, 50, 160)),
        "purple": ((122, 48, 162), (146, 70, 190), (98, 36, 138)),
        "pink": ((244, 140, 176), (248, 166, 196), (238, 118, 160)),
        "brown": ((122, 76, 40), (142, 92, 54), (98, 60, 30)),
        "black": ((22, 22, 24), (34, 34, 36), (14, 14, 18)),
        "white": ((244, 244, 242), (250, 250, 250), (234, 236, 236)),
        "gray": ((132, 134, 136), (150, 150, 152), (116, 116, 118)),
    }
)


def tone_of(word: str, rng: np.random.Generator) -> Colour:
    """One of the colours that the word means."""
    tones = TONES[word]
    tone = np.array(tones[int(rng.integers(len(tones)))])
    hue = 0.0 if word in ("black", "white", "gray") else rng.normal(0, _HUE, 3)
    wandered = tone + rng.normal(0, _LIGHT) + hue
    red, green, blue = np.clip(np.round(wandered), 0, 255).astype(int).tolist()
    return red, green, blue


def shade_of(colour: Colour, amount: float) -> Colour:
    """The colour mixed with black (amount < 0) or with white (amount > 0)."""
    towards = 255.0 if amount > 0 else 0.0
    red, green, blue = (round(part + (towards - part) * abs(amount)) for part in colour)
    return red, green, blue


def distance(one: Colour, other: Colour) -> float:
    return float(np.linalg.norm(np.subtract(one, other)))
