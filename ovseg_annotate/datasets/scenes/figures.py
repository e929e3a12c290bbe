"""Outlines of the figures of geometry; each call varies within what the word still means."""

from __future__ import annotations

import numpy as np

from ovseg_annotate.datasets.scenes.curves import (
    Layer,
    Outline,
    Part,
    arc,
    box,
    disc,
    polygon,
    regular,
)


def circle(_: np.random.Generator) -> Outline:
    return (Part(disc(0, 0, 1)),)


def square(_: np.random.Generator) -> Outline:
    return (Part(box(-1, -1, 1, 1)),)


def triangle(rng: np.random.Generator) -> Outline:
    tip = rng.uniform(-0.25, 0.25)
    return (Part(polygon((tip, -1), (1, rng.uniform(0.6, 1)), (-1, rng.uniform(0.6, 1)))),)


def star(rng: np.random.Generator) -> Outline:
    corners = int(rng.choice([5, 5, 5, 6, 4]))
    return (Part(regular(corners, inner=rng.uniform(0.34, 0.48) if corners > 4 else 0.32)),)


def cross(rng: np.random.Generator) -> Outline:
    arm = rng.uniform(0.24, 0.4)
    return Part(box(-1, -arm, 1, arm)), Part(box(-arm, -1, arm, 1))


def ring(rng: np.random.Generator) -> Outline:
    return Part(disc(0, 0, 1)), Part(disc(0, 0, rng.uniform(0.48, 0.72)), Layer.HOLE)


def heart(_: np.random.Generator) -> Outline:
    t = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return (Part(np.column_stack([x, -y]) / 16),)


def crescent(rng: np.random.Generator) -> Outline:
    shift = rng.uniform(0.38, 0.55)
    bite = disc(shift, 0, rng.uniform(0.8, 0.88))
    return Part(disc(0, 0, 1)), Part(bite, Layer.HOLE)


def arrow(rng: np.random.Generator) -> Outline:
    shaft, neck, wing = rng.uniform(0.14, 0.26), rng.uniform(-0.1, 0.3), rng.uniform(0.55, 0.75)
    top = [(-1.0, -shaft), (neck, -shaft), (neck, -wing)]
    return (Part(polygon(*top, (1, 0), *((x, -y) for x, y in reversed(top)))),)


def diamond(rng: np.random.Generator) -> Outline:
    half = rng.uniform(0.5, 0.68)
    return (Part(polygon((0, -1), (half, 0), (0, 1), (-half, 0))),)


def pentagon(_: np.random.Generator) -> Outline:
    return (Part(regular(5)),)


def hexagon(_: np.random.Generator) -> Outline:
    return (Part(regular(6)),)


def ellipse(rng: np.random.Generator) -> Outline:
    return (Part(arc((0, 0), (1, rng.uniform(0.45, 0.64)))),)


def rectangle(rng: np.random.Generator) -> Outline:
    half = rng.uniform(0.36, 0.6)
    return (Part(box(-1, -half, 1, half)),)


def semicircle(_: np.random.Generator) -> Outline:
    return (Part(arc((0, 0.5), (1, 1), (0.5, 1.0))),)
