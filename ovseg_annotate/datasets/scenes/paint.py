"""Colours and textures: which values a colour's word covers, and objects laid on a canvas."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.datasets.scenes.noise import Field, noise, slope
from ovseg_annotate.geometry import Size

Canvas: TypeAlias = NDArray[np.float32]  # (height, width, 3), 0 to 1
Rgb: TypeAlias = NDArray[np.float32]  # (3,), 0 to 1


@dataclass(frozen=True, slots=True)
class Tint:
    """The box in hue (degrees), saturation and value that a colour word covers."""

    hue: tuple[float, float]
    saturation: tuple[float, float]
    value: tuple[float, float]


TINTS: Mapping[str, Tint] = MappingProxyType(
    {
        "red": Tint((-8, 7), (0.75, 1.0), (0.6, 0.98)),
        "orange": Tint((21, 35), (0.82, 1.0), (0.88, 1.0)),
        "yellow": Tint((50, 61), (0.65, 1.0), (0.86, 1.0)),
        "green": Tint((92, 148), (0.55, 1.0), (0.38, 0.8)),
        "cyan": Tint((172, 191), (0.55, 1.0), (0.72, 1.0)),
        "blue": Tint((211, 241), (0.65, 1.0), (0.5, 1.0)),
        "purple": Tint((266, 289), (0.5, 1.0), (0.42, 0.82)),
        "pink": Tint((316, 346), (0.28, 0.58), (0.9, 1.0)),
        "brown": Tint((17, 30), (0.55, 0.8), (0.3, 0.52)),
        "black": Tint((0, 360), (0.0, 0.25), (0.02, 0.14)),
        "white": Tint((0, 360), (0.0, 0.05), (0.92, 1.0)),
        "gray": Tint((0, 360), (0.0, 0.06), (0.38, 0.66)),
    }
)
NEUTRALS = frozenset({"black", "white", "gray"})

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def draw_rgb(colour: str, rng: np.random.Generator) -> Rgb:
    tint = TINTS[colour]
    hue, saturation, value = (
        rng.uniform(*span) for span in (tint.hue, tint.saturation, tint.value)
    )
    return np.array(colorsys.hsv_to_rgb(hue / 360 % 1, saturation, value), np.float32)


def second_tone(rgb: Rgb, rng: np.random.Generator) -> Rgb:
    """A clearly darker or lighter tone that the same word could still be used of."""
    darkest, brightest = float(rgb.min()), float(rgb.max())
    if brightest < 0.2:
        return rgb + (1 - rgb) * np.float32(rng.uniform(0.2, 0.26))  # still black, not gray
    if darkest > 0.88:
        return rgb * np.float32(rng.uniform(0.7, 0.8))  # still white
    if brightest > 0.55 and rng.random() < 0.5:
        return rgb * np.float32(rng.uniform(0.58, 0.74))
    return rgb + (1 - rgb) * np.float32(rng.uniform(0.38, 0.58))


def texture_field(texture: str, size: Size, scale: float, rng: np.random.Generator) -> Field | None:
    """Where the second tone goes, 0 to 1; None for a plain surface.

    Stripes, dots and checks are five to ten pixels apart, times `scale`.
    """
    if texture == "plain":
        return None
    if texture == "gradient":
        return slope(size, rng)
    if texture == "noisy":
        grain = noise(size, rng) if rng.random() < 0.5 else noise(size, rng, 0.7, 0.7)
        return _shares(0.4 + 0.45 * grain)
    u, v = _turned_grid(size, rng)
    period = np.float32(2 * np.pi / (scale * rng.uniform(5.5, 10.0)))
    if texture == "striped":
        return _edge(np.sin(u * period))
    if texture == "checkered":
        period = period * np.float32(0.7)
        return _edge(np.sin(u * period) * np.sin(v * period) * 2)
    # Dotted: the second tone in the middle of each cell of the grid.
    return _edge(np.sin(u * period) + np.sin(v * period) - np.float32(0.85))


def _turned_grid(size: Size, rng: np.random.Generator) -> tuple[Field, Field]:
    turn = rng.uniform(0, np.pi)
    cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    x = np.arange(size.width, dtype=np.float32) + np.float32(rng.uniform(0, 10))
    y = np.arange(size.height, dtype=np.float32)[:, None] + np.float32(rng.uniform(0, 10))
    return x * cos + y * sin, y * cos - x * sin


def _edge(field: Field) -> Field:
    """A step that is about a pixel wide."""
    return _shares(field * np.float32(2.0) + np.float32(0.5))


def _shares(field: Field) -> Field:
    cut: Field = np.clip(field, 0, 1)
    return cut


def blend(canvas: Canvas, colour: NDArray[np.float32], share: Field) -> None:
    """Lay `colour` over the canvas in place; `share` says how much of each pixel it takes."""
    change = colour - canvas
    change *= share[..., None]
    canvas += change


def to_grey(canvas: Canvas) -> Canvas:
    return np.repeat((canvas @ _LUMA)[..., None], 3, axis=2)
