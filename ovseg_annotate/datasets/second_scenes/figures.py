"""The figures of geometry, each in a way or two to draw it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

from ovseg_annotate.datasets.second_scenes.strokes import (
    Figure,
    Stroke,
    area,
    box,
    disc,
    line,
    oval,
    pie,
    without,
)


def _corners(count: int, inner: float = 1.0) -> Stroke:
    """A regular polygon that stands on a side, or a star where the inner radius is smaller."""
    step = math.pi / count
    radii = [0.5 * (inner if corner % 2 else 1.0) for corner in range(2 * count)]
    if inner == 1.0:
        radii, step = [0.5] * count, 2 * step
    return area(
        *(
            (0.5 + radius * math.sin(corner * step), 0.5 - radius * math.cos(corner * step))
            for corner, radius in enumerate(radii)
        )
    )


def _plus(arm: float) -> Figure:
    low, high = 0.5 - arm / 2, 0.5 + arm / 2
    return (box(low, 0.04, high, 0.96), box(0.04, low, 0.96, high))


def _ring(hole: float) -> Figure:
    return (disc(0.5, 0.5, 0.47), without(disc(0.5, 0.5, hole)))


def _arrow(shaft: float, neck: float, head: float) -> Figure:
    low, high = 0.5 - shaft / 2, 0.5 + shaft / 2
    return (
        box(0.02, low, neck + 0.02, high),
        area((neck, 0.5 - head / 2), (0.98, 0.5), (neck, 0.5 + head / 2)),
    )


FIGURES: Mapping[str, tuple[Figure, ...]] = MappingProxyType(
    {
        "circle": ((disc(0.5, 0.5, 0.48),),),
        "square": ((box(0.08, 0.08, 0.92, 0.92),),),
        "triangle": (
            (area((0.5, 0.06), (0.98, 0.92), (0.02, 0.92)),),
            (area((0.5, 0.16), (1.0, 0.88), (0.0, 0.88)),),
        ),
        "star": ((_corners(5, 0.42),), (_corners(5, 0.5),), (_corners(6, 0.55),)),
        "cross": (_plus(0.32), _plus(0.24)),
        "ring": (_ring(0.24), _ring(0.31)),
        "heart": (
            (
                disc(0.28, 0.32, 0.245),
                disc(0.72, 0.32, 0.245),
                area((0.5, 0.3), (0.923, 0.457), (0.5, 0.97), (0.077, 0.457)),
            ),
        ),
        "crescent": (
            (disc(0.5, 0.5, 0.48), without(disc(0.72, 0.42, 0.4))),
            (disc(0.5, 0.5, 0.48), without(disc(0.66, 0.5, 0.37))),
        ),
        "arrow": (
            _arrow(0.24, 0.55, 0.78),
            _arrow(0.34, 0.5, 0.86),
            (
                line(0.14, (0.08, 0.5), (0.85, 0.5)),
                line(0.14, (0.56, 0.16), (0.9, 0.5), (0.56, 0.84)),
            ),
        ),
        "diamond": (
            (area((0.5, 0.01), (0.86, 0.5), (0.5, 0.99), (0.14, 0.5)),),
            (area((0.5, 0.04), (0.92, 0.5), (0.5, 0.96), (0.08, 0.5)),),
        ),
        "pentagon": ((_corners(5),),),
        "hexagon": ((_corners(6),),),
        "ellipse": ((oval(0.01, 0.22, 0.99, 0.78),), (oval(0.01, 0.27, 0.99, 0.73),)),
        "rectangle": ((box(0.02, 0.27, 0.98, 0.73),), (box(0.02, 0.33, 0.98, 0.67),)),
        "semicircle": ((pie(((0.02, 0.26), (0.98, 1.22)), 180, 360),),),
    }
)
