"""Outlines of microscopic things, many at a time, in pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.datasets.scenes.curves import Points
from ovseg_annotate.datasets.scenes.noise import wave
from ovseg_annotate.geometry import Size

Floats: TypeAlias = NDArray[np.float64]

_CORNERS = 24


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    thing: str
    points: Points


@dataclass(frozen=True, slots=True, eq=False)
class Seats:
    """Where bodies of one kind go: centres (n, 2) as (x, y), and radii (n,)."""

    centres: Floats
    radii: Floats


def draw_seats(
    size: Size,
    rng: np.random.Generator,
    radii: Floats,
    spacing: float,
    *,
    clumped: bool,
) -> Seats:
    """Places at least `spacing` radii sums apart; bodies for which there is no room are left out.

    Centres may lie a little outside, so that bodies are cut by the border as in real fields.
    """
    middle = np.array([size.width, size.height]) * rng.uniform(0.2, 0.8, 2)
    reach = np.array([size.width, size.height])
    tries = (len(radii), 3, 2)
    spots = rng.normal(middle, 0.22 * reach, tries) if clumped else rng.random(tries) * reach
    taken, taken_radii = np.empty((len(radii), 2)), np.empty(len(radii))
    count = 0
    for choices, radius in zip(spots, radii, strict=True):
        near = (spacing * (radius + taken_radii[:count])) ** 2
        for spot in choices:
            away = taken[:count] - spot
            if not ((away * away).sum(axis=1) < near).any():
                taken[count], taken_radii[count] = spot, radius
                count += 1
                break
    return Seats(taken[:count], taken_radii[:count])


def blobs(
    thing: str, seats: Seats, rng: np.random.Generator, roughness: float, longest: float
) -> list[Body]:
    """Round bodies with an uneven outline, up to `longest` times as long as wide."""
    count = len(seats.radii)
    angles = 2 * np.pi * np.arange(_CORNERS) / _CORNERS
    radii = np.ones((count, _CORNERS))
    for waves in (2, 3, 5):
        swing = rng.normal(0, roughness / waves, (count, 1))
        radii += swing * np.cos(waves * angles + rng.uniform(0, 2 * np.pi, (count, 1)))
    long = np.sqrt(rng.uniform(1, longest, (count, 1)))
    x, y = radii * np.cos(angles) * long, radii * np.sin(angles) / long
    tilt = rng.uniform(0, np.pi, (count, 1))
    turned = np.stack([x * np.cos(tilt) - y * np.sin(tilt), x * np.sin(tilt) + y * np.cos(tilt)], 2)
    points = seats.centres[:, None] + turned * seats.radii[:, None, None]
    return [Body(thing, outline) for outline in points]


def rods(thing: str, seats: Seats, rng: np.random.Generator, width: float) -> list[Body]:
    """Capsules, some a little bent; the seat's radius is half their length."""
    return [
        Body(thing, _stroke(_bent_line(centre, radius, rng), width))
        for centre, radius in zip(seats.centres, seats.radii, strict=True)
    ]


def threads(size: Size, count: int, width: float, rng: np.random.Generator) -> list[Body]:
    """Long winding lines."""
    winding = rng.uniform(0.3, 1.5)
    bodies = []
    for _ in range(count):
        length = rng.uniform(0.5, 1.2) * min(size.height, size.width)
        steps = max(12, int(length / 3))
        heading = rng.uniform(0, 2 * np.pi) + winding * wave(steps, rng, 2.0 * steps)
        walk = np.column_stack([np.cos(heading), np.sin(heading)]).cumsum(axis=0)
        walk *= length / steps
        middle = rng.uniform(0.1, 0.9, 2) * (size.width, size.height)
        line = walk - walk.mean(axis=0) + middle
        bodies.append(Body("filament", _stroke(line, width * rng.uniform(0.8, 1.2))))
    return bodies


def _bent_line(centre: Floats, half: float, rng: np.random.Generator) -> Points:
    t = np.linspace(-1, 1, 7)
    heading, bend = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.12)
    x, y = half * t, half * bend * (t**2 - 0.5)
    cos, sin = np.cos(heading), np.sin(heading)
    line: Points = centre + np.column_stack([x * cos - y * sin, x * sin + y * cos])
    return line


def _stroke(line: Points, width: float) -> Points:
    """The outline of a line drawn with a round pen."""
    along = np.gradient(line, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    across = np.column_stack([-along[:, 1], along[:, 0]])
    caps = [_cap(line[-1], along[-1], width), _cap(line[0], -along[0], width)]
    left, right = line + across * width / 2, line - across * width / 2
    return np.vstack([right, caps[0], left[::-1], caps[1]])


def _cap(end: Floats, outward: Floats, width: float) -> Points:
    turns = np.linspace(-np.pi / 2, np.pi / 2, 7)[1:-1]
    across = np.array([-outward[1], outward[0]])
    return end + width / 2 * (np.outer(np.cos(turns), outward) + np.outer(np.sin(turns), across))
