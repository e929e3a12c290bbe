"""Draw a scene: choose words, find room, paint at four times the size, reduce."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from ovseg_annotate.datasets.scenes.phrases import caption_of, name_of
from ovseg_annotate.datasets.scenes.scene import (
    Attributes,
    Scene,
    SceneRegion,
    SceneRules,
)
from ovseg_annotate.datasets.scenes.words import BACKGROUND
from ovseg_annotate.datasets.second_scenes.choice import (
    STYLES,
    draw_ground_words,
    draw_pairs,
    draw_texture,
)
from ovseg_annotate.datasets.second_scenes.colours import Colour, distance, tone_of
from ovseg_annotate.datasets.second_scenes.layout import FINER, Board, Placed
from ovseg_annotate.datasets.second_scenes.materials import material, plain_ground
from ovseg_annotate.datasets.second_scenes.textures import filled
from ovseg_annotate.errors import OptionError

_STREAM = 0x5EC0D  # other random numbers than the first generator's for the same seed
_TRIES = 30  # to find a ground that the objects stand out from
# An object that nobody can tell from its ground measures nothing; distances in RGB.
_CONTRAST = 95.0


@dataclass(frozen=True, slots=True, eq=False)
class _Object:
    attributes: Attributes
    tone: Colour
    placed: Placed


@dataclass(frozen=True, slots=True, eq=False)
class _Ground:
    regions: tuple[Attributes, ...]
    labels: NDArray[np.uint16]  # (height, width), 1 and up: where each of `regions` is
    fine: Image.Image


def draw_second_scene(rules: SceneRules, seed: int) -> Scene:
    """The scene of this seed; the same seed and rules always give the same bytes."""
    if rules.style not in STYLES:
        raise OptionError(
            f"the second generator draws no {rules.style.value!r} scenes; "
            f"there is: {', '.join(style.value for style in STYLES)}"
        )
    rng = np.random.Generator(np.random.PCG64((_STREAM, seed)))
    objects = _objects(rules, rng)
    ground = _ground(rules, objects, rng)
    labels = ground.labels
    for number, one in enumerate(objects, start=len(ground.regions) + 1):
        labels[one.placed.slices][one.placed.mask] = number
        _paint(ground.fine, one, rng)
    described = [*ground.regions, *(one.attributes for one in objects)]
    instances, regions = _without_hidden(labels, described)
    return Scene(
        _developed(ground.fine, rng),
        instances,
        regions,
        caption_of([one.attributes for one in regions], rng),
    )


def _objects(rules: SceneRules, rng: np.random.Generator) -> list[_Object]:
    board = Board(rules)
    objects = []
    for colour, shape in draw_pairs(rules, rng):
        placed = board.place(shape, rng)
        if placed is not None:
            attributes = Attributes(colour, shape, draw_texture(rng))
            objects.append(_Object(attributes, tone_of(colour, rng), placed))
    return objects


def _ground(rules: SceneRules, objects: Sequence[_Object], rng: np.random.Generator) -> _Ground:
    """The first ground that all objects stand out from, or else the best of many."""
    best = ground = _draw_ground(rules, rng)
    most = -math.inf
    for _ in range(_TRIES):
        contrast = _contrast(ground, objects)
        if contrast > most:
            best, most = ground, contrast
        if most >= _CONTRAST:
            break
        ground = _draw_ground(rules, rng)
    return best


def _contrast(ground: _Ground, objects: Sequence[_Object]) -> float:
    """How much the least visible object differs from what is behind it."""
    behind = np.asarray(ground.fine.reduce(FINER))
    return min(
        (
            distance(one.tone, behind[one.placed.slices][one.placed.mask].mean(axis=0))
            for one in objects
        ),
        default=math.inf,
    )


def _draw_ground(rules: SceneRules, rng: np.random.Generator) -> _Ground:
    height, width = rules.size.height, rules.size.width
    fine_height, fine_width = FINER * height, FINER * width
    labels = np.ones((height, width), np.uint16)
    words = draw_ground_words(rng)
    first = words[0]
    if first.thing == BACKGROUND.canonical and first.colour is not None:
        fine = plain_ground(tone_of(first.colour, rng), fine_width, fine_height, rng)
        return _Ground(words, labels, fine)
    fine = material(str(first.thing), fine_width, fine_height, rng)
    if len(words) == 2:
        below = material(str(words[1].thing), fine_width, fine_height, rng)
        mask = _below_horizon(height, width, rng)
        fine.paste(below, (0, 0), mask)
        labels[np.asarray(mask.reduce(FINER)) >= 128] = 2
    return _Ground(words, labels, fine)


def _below_horizon(height: int, width: int, rng: np.random.Generator) -> Image.Image:
    across = np.arange(FINER * width) / (FINER * width)
    level = rng.uniform(0.35, 0.65) + rng.uniform(-0.06, 0.06) * (across - 0.5)
    level += rng.uniform(0, 0.012) * np.sin(across * rng.uniform(4, 12) + rng.uniform(0, 6))
    down = (np.arange(FINER * height) / (FINER * height))[:, None]
    return Image.fromarray((down >= level).astype(np.uint8) * 255)


def _paint(fine: Image.Image, one: _Object, rng: np.random.Generator) -> None:
    mask = one.placed.fine
    corner = one.placed.left * FINER, one.placed.top * FINER
    fill = filled(str(one.attributes.texture), max(mask.size), one.tone, rng)
    fine.paste(fill.crop((0, 0, *mask.size)), corner, mask)


def _without_hidden(
    labels: NDArray[np.uint16], described: Sequence[Attributes]
) -> tuple[NDArray[np.uint16], tuple[SceneRegion, ...]]:
    """Number those that can be seen without a gap."""
    seen = np.unique(labels)
    regions = tuple(
        SceneRegion(number, described[label - 1], name_of(described[label - 1]))
        for number, label in enumerate(seen.tolist(), start=1)
    )
    return (np.searchsorted(seen, labels) + 1).astype(np.uint16), regions


def _developed(fine: Image.Image, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Reduce; then the light falls unevenly, the lens is a little soft, the sensor noisy."""
    image = fine.reduce(FINER)
    if rng.random() < 0.4:
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 0.7))))
    pixels = np.asarray(image, np.float32)
    height, width = pixels.shape[:2]
    slope_y, slope_x = rng.uniform(-0.12, 0.12, 2)
    down, across = np.ogrid[-0.5 : 0.5 : height * 1j, -0.5 : 0.5 : width * 1j]
    light = 1 + slope_y * down + slope_x * across
    noise = rng.normal(0, rng.uniform(0.5, 4.0), pixels.shape)
    shown = np.clip(np.round(pixels * light[..., None] + noise), 0, 255)
    return np.ascontiguousarray(shown, np.uint8)
