"""Point lists that outlines are made of: in a box from -1 to 1, y down."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Points: TypeAlias = NDArray[np.float64]  # (n, 2) of (x, y), closed without repeating the first


class Layer(IntEnum):
    """Parts are filled in order, each over the ones before it."""

    HOLE = 0
    BODY = 1
    DETAIL = 2  # lies inside the body and only changes its tone: windows, eyes, veins


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    points: Points
    layer: Layer = Layer.BODY


Outline: TypeAlias = tuple[Part, ...]


def polygon(*corners: tuple[float, float]) -> Points:
    return np.array(corners, np.float64)


def box(left: float, top: float, right: float, bottom: float) -> Points:
    return polygon((left, top), (right, top), (right, bottom), (left, bottom))


def arc(
    centre: tuple[float, float],
    radii: tuple[float, float],
    turns: tuple[float, float] = (0.0, 1.0),
    tilt: float = 0.0,
) -> Points:
    """An elliptic arc; turns count clockwise from the right, tilt is in radians."""
    cos, sin = math.cos(tilt), math.sin(tilt)
    axes = np.array([[radii[0] * cos, radii[0] * sin], [-radii[1] * sin, radii[1] * cos]])
    points: Points = _unit_arc(turns) @ axes + np.array(centre)
    return points


@cache
def _unit_arc(turns: tuple[float, float]) -> Points:
    whole = turns == (0.0, 1.0)
    count = max(8, int(36 * abs(turns[1] - turns[0])))
    angles = 2 * np.pi * np.linspace(*turns, count, endpoint=not whole)
    return np.column_stack([np.cos(angles), np.sin(angles)])


def disc(x: float, y: float, radius: float) -> Points:
    return arc((x, y), (radius, radius))


def regular(corners: int, inner: float | None = None) -> Points:
    """A regular polygon with a corner on top, or a star when `inner` is its inner radius."""
    count = corners if inner is None else 2 * corners
    angles = 2 * np.pi * np.arange(count) / count - np.pi / 2
    radii = np.ones(count)
    if inner is not None:
        radii[1::2] = inner
    return np.column_stack([radii * np.cos(angles), radii * np.sin(angles)])


def bar(start: tuple[float, float], end: tuple[float, float], width: float) -> Points:
    """A straight stroke with square ends."""
    along = np.subtract(end, start)
    across = np.array([-along[1], along[0]]) * (width / 2 / np.hypot(*along))
    first, last = np.array(start), np.array(end)
    return np.array([first + across, last + across, last - across, first - across])


def capsule(start: tuple[float, float], end: tuple[float, float], width: float) -> Points:
    """A straight stroke with round ends."""
    x, y = end[0] - start[0], end[1] - start[1]
    scale = width / 2 / math.hypot(x, y)
    cap = _unit_arc((-0.25, 0.25)) @ (scale * np.array([[x, y], [-y, x]]))
    return np.concatenate([np.array(end) + cap, np.array(start) - cap])


def smooth(corners: Points, steps: int = 6) -> Points:
    """A closed curve through the corners (uniform Catmull-Rom spline)."""
    before, after, next_after = (np.roll(corners, shift, axis=0) for shift in (1, -1, -2))
    t = np.arange(steps)[:, None, None] / steps
    curve = 0.5 * (
        2 * corners
        + (after - before) * t
        + (2 * before - 5 * corners + 4 * after - next_after) * t**2
        + (3 * corners - before - 3 * after + next_after) * t**3
    )  # (steps, corners, 2)
    points: Points = curve.transpose(1, 0, 2).reshape(-1, 2)
    return points


def mirrored(points: Points) -> Points:
    flipped: Points = points * np.array([-1.0, 1.0])
    return flipped
