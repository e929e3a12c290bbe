"""What fills an object: two shades of its colour, drawn by hand and turned."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageDraw

from ovseg_annotate.datasets.second_scenes.colours import Colour, shade_of

# (side in px, colour, its shade, random) -> a square picture.
_Filling: TypeAlias = Callable[[int, Colour, Colour, np.random.Generator], Image.Image]

_BRIGHT = 150  # a mean channel above this is shaded darker, below it lighter


def filled(texture: str, side: int, colour: Colour, rng: np.random.Generator) -> Image.Image:
    """A square of that side, large enough to lay an object's mask on."""
    # Turned squares lose their corners: draw a larger one and keep the middle.
    drawn = math.ceil(side * math.sqrt(2)) + 2
    lightened = float(np.mean(colour)) < _BRIGHT
    shade = shade_of(colour, float(rng.uniform(0.4, 0.55) * (1 if lightened else -1)))
    whole = _FILLINGS[texture](drawn, colour, shade, rng)
    turned = whole.rotate(float(rng.uniform(0, 180)), Image.Resampling.BILINEAR)
    corner = (drawn - side) // 2
    return turned.crop((corner, corner, corner + side, corner + side))


def _plain(side: int, colour: Colour, shade: Colour, rng: np.random.Generator) -> Image.Image:
    return Image.new("RGB", (side, side), colour)


def _striped(side: int, colour: Colour, shade: Colour, rng: np.random.Generator) -> Image.Image:
    image = Image.new("RGB", (side, side), colour)
    pen = ImageDraw.Draw(image)
    period = max(6, round(side / rng.uniform(6, 9)))
    for left in range(0, side, period):
        pen.rectangle((left, 0, left + period // 2 - 1, side), fill=shade)
    return image


def _dotted(side: int, colour: Colour, shade: Colour, rng: np.random.Generator) -> Image.Image:
    image = Image.new("RGB", (side, side), colour)
    pen = ImageDraw.Draw(image)
    period = max(8, round(side / rng.uniform(6, 8.5)))
    radius = period * rng.uniform(0.24, 0.32)
    for row, y in enumerate(range(period // 2, side + period, period)):
        for x in range(period // 2 * (1 + row % 2), side + period, period):
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=shade)
    return image


def _checkered(side: int, colour: Colour, shade: Colour, rng: np.random.Generator) -> Image.Image:
    fields = int(rng.integers(7, 11))
    board = Image.new("RGB", (fields, fields), colour)
    for row in range(fields):
        for column in range(row % 2, fields, 2):
            board.putpixel((column, row), shade)
    return board.resize((side, side), Image.Resampling.NEAREST)


def _noisy(side: int, colour: Colour, shade: Colour, rng: np.random.Generator) -> Image.Image:
    grain = max(2, round(side / rng.uniform(38, 52)))
    cells = math.ceil(side / grain)
    mixed = rng.random((cells, cells, 1)) ** 1.5
    pixels = np.array(colour) * (1 - mixed) + np.array(shade) * mixed
    return Image.fromarray(pixels.astype(np.uint8)).resize((side, side), Image.Resampling.NEAREST)


def _gradient(side: int, colour: Colour, shade: Colour, rng: np.random.Generator) -> Image.Image:
    ramp = Image.linear_gradient("L").resize((side, side))
    light, dark = shade_of(colour, 0.35), shade_of(colour, -0.35)
    return Image.composite(
        Image.new("RGB", (side, side), light), Image.new("RGB", (side, side), dark), ramp
    )


_FILLINGS: Mapping[str, _Filling] = MappingProxyType(
    {
        "plain": _plain,
        "striped": _striped,
        "dotted": _dotted,
        "checkered": _checkered,
        "noisy": _noisy,
        "gradient": _gradient,
    }
)
