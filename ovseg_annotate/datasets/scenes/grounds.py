"""What lies behind the objects: one backdrop, or a landscape with a horizon or a pond."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.datasets.scenes.board import Board
from ovseg_annotate.datasets.scenes.materials import MATERIALS_PAINTED, plain_ground
from ovseg_annotate.datasets.scenes.noise import noise, wave
from ovseg_annotate.datasets.scenes.paint import NEUTRALS, Canvas, draw_rgb
from ovseg_annotate.datasets.scenes.scene import Attributes
from ovseg_annotate.datasets.scenes.words import BACKGROUND, COLOURS, MATERIALS, names_of
from ovseg_annotate.geometry import Size

_UNDER_THE_SKY = ("grass", "sand", "water", "snow", "road")
_LYING = tuple(name for name in names_of(MATERIALS) if name != "sky")
# Still known without its colour, from the pattern alone.
_KNOWN_IN_GREY = ("brick", "wood", "stone", "fabric")
# A black backdrop is "dark background", the word that it shares with microscopy.
_BACKDROPS = tuple(name for name in names_of(COLOURS) if name != "black")


def draw_grounds(size: Size, rng: np.random.Generator, *, grey: bool) -> Board:
    kind = rng.random()
    if kind < 0.42:
        return _backdrop(size, rng, grey=grey)
    if kind < 0.5:
        return _dark_backdrop(size, rng)
    if grey:
        return _material(size, str(rng.choice(_KNOWN_IN_GREY)), rng)
    if kind < 0.78:
        return _material(size, str(rng.choice(names_of(MATERIALS))), rng)
    return _horizon(size, rng) if kind < 0.93 else _pond(size, rng)


def _board(canvas: Canvas, attributes: Attributes) -> Board:
    board = Board(canvas, np.zeros(canvas.shape[:2], np.uint16))
    board.add_ground(attributes)
    return board


def _backdrop(size: Size, rng: np.random.Generator, *, grey: bool) -> Board:
    colour = str(rng.choice(sorted(NEUTRALS - {"black"}) if grey else _BACKDROPS))
    canvas = plain_ground(size, draw_rgb(colour, rng), rng)
    return _board(canvas, Attributes(colour=colour, texture="plain", thing=BACKGROUND.canonical))


def _dark_backdrop(size: Size, rng: np.random.Generator) -> Board:
    canvas = plain_ground(size, draw_rgb("black", rng), rng)
    return _board(canvas, Attributes(colour="black", thing="dark background"))


def _material(size: Size, name: str, rng: np.random.Generator) -> Board:
    return _board(np.ascontiguousarray(MATERIALS_PAINTED[name](size, rng)), Attributes(thing=name))


def _horizon(size: Size, rng: np.random.Generator) -> Board:
    board = _material(size, "sky", rng)
    share = rng.uniform(0.25, 0.6)
    hills = wave(size.width, rng, rng.uniform(60, 140)) * np.float32(rng.uniform(0, 0.06))
    line = (np.float32(share) + hills) * np.float32(size.height)
    below = np.arange(size.height)[:, None] >= line
    _add_material(board, str(rng.choice(_UNDER_THE_SKY)), below, rng)
    return board


def _pond(size: Size, rng: np.random.Generator) -> Board:
    """A patch of one material within another, with a ragged shore."""
    outer, inner = (str(name) for name in rng.choice(_LYING, 2, replace=False))
    board = _material(size, outer, rng)
    y = np.arange(size.height)[:, None] / size.height - rng.uniform(0.25, 0.75)
    x = np.arange(size.width) / size.width - rng.uniform(0.25, 0.75)
    reach = rng.uniform(0.25, 0.45) + 0.04 * noise(size, rng, 8.0, 8.0)
    inside = np.hypot(x, y) < reach
    _add_material(board, inner, inside, rng)
    return board


def _add_material(
    board: Board, name: str, mask: NDArray[np.bool_], rng: np.random.Generator
) -> None:
    painted = MATERIALS_PAINTED[name](board.size, rng)
    np.copyto(board.canvas, painted, where=mask[..., None])
    board.add_ground(Attributes(thing=name), mask)
