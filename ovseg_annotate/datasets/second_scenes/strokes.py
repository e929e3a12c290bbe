"""A figure as a few strokes of a pen in the unit square, y downwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageDraw

Point: TypeAlias = tuple[float, float]

_ROUNDS = 3  # of corner cutting: what the eye takes for a curve


class Kind(Enum):
    OVAL = auto()  # inside the box of two points
    AREA = auto()  # a filled outline
    LINE = auto()  # with round ends
    PIE = auto()  # a sector of the oval inside the box of two points


@dataclass(frozen=True, slots=True)
class Stroke:
    kind: Kind
    points: tuple[Point, ...]
    width: float = 0.0  # of a line
    sector: tuple[float, float] = (0.0, 360.0)  # of a pie; degrees, clockwise from the right
    erases: bool = False


Figure: TypeAlias = tuple[Stroke, ...]


def oval(left: float, top: float, right: float, bottom: float) -> Stroke:
    return Stroke(Kind.OVAL, ((left, top), (right, bottom)))


def disc(x: float, y: float, radius: float) -> Stroke:
    return oval(x - radius, y - radius, x + radius, y + radius)


def area(*points: Point) -> Stroke:
    return Stroke(Kind.AREA, points)


def box(left: float, top: float, right: float, bottom: float) -> Stroke:
    return area((left, top), (right, top), (right, bottom), (left, bottom))


def rounded(*points: Point) -> Stroke:
    """An outline whose corners are cut again and again; a point given twice stays sharper."""
    outline = np.array(points)
    for _ in range(_ROUNDS):
        following = np.roll(outline, -1, axis=0)
        near, far = 0.75 * outline + 0.25 * following, 0.25 * outline + 0.75 * following
        outline = np.stack([near, far], axis=1).reshape(-1, 2)
    return area(*((x, y) for x, y in outline.tolist()))


def line(width: float, *points: Point) -> Stroke:
    return Stroke(Kind.LINE, points, width)


def pie(corners: tuple[Point, Point], start: float, end: float) -> Stroke:
    return Stroke(Kind.PIE, corners, sector=(start, end))


def without(stroke: Stroke) -> Stroke:
    return replace(stroke, erases=True)


def stamped(figure: Figure, width: int, height: int) -> Image.Image:
    """The figure as a mask of that size: 255 inside, 0 outside."""
    image = Image.new("L", (width, height), 0)
    pen = ImageDraw.Draw(image)
    for stroke in figure:
        points = [(x * (width - 1), y * (height - 1)) for x, y in stroke.points]
        _draw(pen, stroke, points, min(width, height))
    return image


def _draw(pen: ImageDraw.ImageDraw, stroke: Stroke, points: Sequence[Point], side: int) -> None:
    ink = 0 if stroke.erases else 255
    if stroke.kind is Kind.AREA:
        pen.polygon(points, fill=ink)
        return
    if stroke.kind is Kind.LINE:
        width = max(1, round(stroke.width * side))
        pen.line(points, fill=ink, width=width, joint="curve")
        radius = width / 2
        for x, y in (points[0], points[-1]):
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=ink)
        return
    (left, top), (right, bottom) = points
    if stroke.kind is Kind.OVAL:
        pen.ellipse((left, top, right, bottom), fill=ink)
    else:
        pen.pieslice((left, top, right, bottom), *stroke.sector, fill=ink)
