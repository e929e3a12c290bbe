"""Coloured shapes: which ones a picture gets, where they go, and how they are painted."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from ovseg_annotate.datasets.scenes.board import Board, clipped
from ovseg_annotate.datasets.scenes.noise import Field, slope
from ovseg_annotate.datasets.scenes.paint import (
    NEUTRALS,
    Canvas,
    Rgb,
    blend,
    draw_rgb,
    second_tone,
    texture_field,
)
from ovseg_annotate.datasets.scenes.pairs import COLOUR_NAMES, SHAPE_NAMES, draw_pair
from ovseg_annotate.datasets.scenes.scene import Attributes, Pairs
from ovseg_annotate.datasets.scenes.shapes import Stamp, draw_stamp
from ovseg_annotate.datasets.scenes.words import TEXTURES, names_of
from ovseg_annotate.geometry import Size, Window

_TEXTURE_NAMES = names_of(TEXTURES)
_PLAIN_SHARE = 0.45
# Below this a texture has no room for two periods.
_SMALLEST_TEXTURED = 18.0
_SMALLEST_AREA = 12
# Distance in RGB under which an object would melt into what lies under it.
_LEAST_CONTRAST = 0.34
_PLACES_TRIED = 12
_COLOURS_TRIED = 4
_TRIES_EACH = 3


@dataclass(frozen=True, slots=True)
class ObjectRules:
    pairs: Pairs
    colours: tuple[str, ...]
    diameters: tuple[float, float]
    texture_scale: float
    separate: bool = True  # no object touches another


def colours_for(*, grey: bool) -> tuple[str, ...]:
    return tuple(name for name in COLOUR_NAMES if name in NEUTRALS or not grey)


def add_objects(board: Board, count: int, rules: ObjectRules, rng: np.random.Generator) -> None:
    """Up to `count` objects: fewer where there is no room, or nothing would stand out."""
    missing = count
    for _ in range(_TRIES_EACH * count):
        pair = draw_pair(rng, rules.pairs, rules.colours, SHAPE_NAMES)
        if pair is not None and _add_object(board, pair, rules, rng):
            missing -= 1
        if not missing:
            return


def add_rivals(board: Board, count: int, rules: ObjectRules, rng: np.random.Generator) -> None:
    """One object, and up to `count` others that share its colour or its shape."""
    target = _add_target(board, rules, rng)
    if target is None:
        return
    missing = count
    for _ in range(_TRIES_EACH * count):
        rival = _draw_rival(target, rules, rng)
        if rival is not None and _add_object(board, rival, rules, rng):
            missing -= 1
        if not missing:
            return


def _add_target(
    board: Board, rules: ObjectRules, rng: np.random.Generator
) -> tuple[str, str] | None:
    for _ in range(2 * _TRIES_EACH):
        pair = draw_pair(rng, rules.pairs, rules.colours, SHAPE_NAMES)
        if pair is not None and _add_object(board, pair, rules, rng):
            return pair
    return None


def _draw_rival(
    target: tuple[str, str], rules: ObjectRules, rng: np.random.Generator
) -> tuple[str, str] | None:
    colour, shape = target
    if rng.random() < 0.5:
        shapes = tuple(other for other in SHAPE_NAMES if other != shape)
        return draw_pair(rng, rules.pairs, (colour,), shapes)
    colours = tuple(other for other in rules.colours if other != colour)
    return draw_pair(rng, rules.pairs, colours, (shape,))


def add_crowd(board: Board, count: int, rules: ObjectRules, rng: np.random.Generator) -> None:
    """Objects that touch and cover one another, none so much that it could not be named."""
    add_objects(board, count, replace(rules, separate=False), rng)


def _add_object(
    board: Board, pair: tuple[str, str], rules: ObjectRules, rng: np.random.Generator
) -> bool:
    """Whether there was a place for it, and a tone of its colour that stands out there."""
    colour, shape = pair
    diameter = rng.uniform(*rules.diameters)
    stamp = draw_stamp(shape, diameter, rng)
    place = _find_place(board, stamp, rules, rng)
    if place is None:
        return False
    where, part = place
    mask = stamp.mask[part]
    rgb = _contrasting_rgb(board.canvas[where.slices], stamp.coverage[part], colour, rng)
    if rgb is None:
        return False
    textured = diameter >= _SMALLEST_TEXTURED and rng.random() >= _PLAIN_SHARE
    texture = str(rng.choice(_TEXTURE_NAMES[1:])) if textured else "plain"
    pattern = texture_field(texture, Size(*stamp.coverage.shape), rules.texture_scale, rng)
    surface = _surface(stamp, pattern, rgb, rng)
    blend(board.canvas[where.slices], surface[part], stamp.coverage[part])
    board.add_object(Attributes(colour, shape, texture), mask, where)
    return True


def _find_place(
    board: Board, stamp: Stamp, rules: ObjectRules, rng: np.random.Generator
) -> tuple[Window, tuple[slice, slice]] | None:
    height, width = stamp.coverage.shape
    whole = int(np.count_nonzero(stamp.mask))
    may_leave = 0.25 if rng.random() < 0.25 else 0.0  # how far it may reach over the border
    for _ in range(_PLACES_TRIED):
        top = _start(board.size.height, height, may_leave, rng)
        left = _start(board.size.width, width, may_leave, rng)
        where, part = clipped(stamp, top, left, board.size)
        mask = stamp.mask[part]
        area = whole if mask.shape == stamp.mask.shape else np.count_nonzero(mask)
        if area < max(_SMALLEST_AREA, 0.65 * whole):
            continue
        if board.is_free(mask, where) if rules.separate else board.buries_none(mask, where):
            return where, part
    return None


def _start(side: int, length: int, may_leave: float, rng: np.random.Generator) -> int:
    slack = may_leave * length
    return round(rng.uniform(-slack, max(side - length, 0) + slack))


def _contrasting_rgb(
    under: Canvas, coverage: NDArray[np.float32], colour: str, rng: np.random.Generator
) -> Rgb | None:
    """A value of the colour that stands out from the mean of what it will cover."""
    mean = np.tensordot(coverage, under, 2) / coverage.sum()
    for _ in range(_COLOURS_TRIED):
        rgb = draw_rgb(colour, rng)
        if float(np.linalg.norm(rgb - mean)) >= _LEAST_CONTRAST:
            return rgb
    return None


def _surface(
    stamp: Stamp, pattern: Field | None, rgb: Rgb, rng: np.random.Generator
) -> NDArray[np.float32]:
    """The object's colours over its whole box."""
    size = Size(*stamp.coverage.shape)
    tone = second_tone(rgb, rng)
    surface = np.empty((size.height, size.width, 3), np.float32)
    surface[:] = rgb
    if pattern is not None:
        blend(surface, tone, pattern)
    if stamp.detail is not None:
        blend(surface, tone if pattern is None else second_tone(rgb, rng), stamp.detail)
    if rng.random() < 0.12:
        blend(surface, rgb * np.float32(0.4), _rim(stamp))
    if pattern is None and rng.random() < 0.2:
        surface *= (1 - np.float32(0.18) * slope(size, rng))[..., None]
    return surface


def _rim(stamp: Stamp) -> NDArray[np.float32]:
    """The outermost pixel or two of the object, for a drawn contour."""
    coverage = Image.fromarray((stamp.coverage * 255).astype(np.uint8))
    core = np.asarray(coverage.filter(ImageFilter.MinFilter(3)), np.float32) / np.float32(255)
    return stamp.coverage - core
