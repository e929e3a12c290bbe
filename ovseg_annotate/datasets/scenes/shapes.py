"""From a shape's word to a drawn mask: which outline, how far it may turn, and the raster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ovseg_annotate.datasets.scenes import figures, silhouettes
from ovseg_annotate.datasets.scenes.curves import Layer, Outline, Points

Drawer: TypeAlias = Callable[[np.random.Generator], Outline]


@dataclass(frozen=True, slots=True)
class Shape:
    draw: Drawer
    turn: float  # degrees it may be turned either way and still be called so
    stretch: float = 0.12  # how much one side may grow against the other
    mirrors: bool = True


SHAPES_DRAWN: Mapping[str, Shape] = MappingProxyType(
    {
        "circle": Shape(figures.circle, 180, stretch=0.05),
        "square": Shape(figures.square, 16, stretch=0.06),
        "triangle": Shape(figures.triangle, 180),
        "star": Shape(figures.star, 180),
        "cross": Shape(figures.cross, 16),
        "ring": Shape(figures.ring, 180, stretch=0.1),
        "heart": Shape(figures.heart, 25),
        "crescent": Shape(figures.crescent, 180),
        "arrow": Shape(figures.arrow, 180),
        "diamond": Shape(figures.diamond, 12, stretch=0.05),
        "pentagon": Shape(figures.pentagon, 180, stretch=0.06),
        "hexagon": Shape(figures.hexagon, 180, stretch=0.06),
        "ellipse": Shape(figures.ellipse, 180, stretch=0.05),
        "rectangle": Shape(figures.rectangle, 180, stretch=0.05),
        "semicircle": Shape(figures.semicircle, 180, stretch=0.08),
        "house": Shape(silhouettes.house, 10),
        "tree": Shape(silhouettes.tree, 10),
        "car": Shape(silhouettes.car, 12),
        "fish": Shape(silhouettes.fish, 25),
        "leaf": Shape(silhouettes.leaf, 180),
        "flower": Shape(silhouettes.flower, 180),
        "boat": Shape(silhouettes.boat, 12),
        "mushroom": Shape(silhouettes.mushroom, 15),
        "cloud": Shape(silhouettes.cloud, 10),
        "cup": Shape(silhouettes.cup, 15),
        "bird": Shape(silhouettes.bird, 15),
        "butterfly": Shape(silhouettes.butterfly, 45),
        "key": Shape(silhouettes.key, 180),
        "bottle": Shape(silhouettes.bottle, 20),
        "hand": Shape(silhouettes.hand, 30),
        "umbrella": Shape(silhouettes.umbrella, 20),
        "rocket": Shape(silhouettes.rocket, 50),
        "lamp": Shape(silhouettes.lamp, 8),
        "bell": Shape(silhouettes.bell, 20),
        "apple": Shape(silhouettes.apple, 20),
    }
)


@dataclass(frozen=True, slots=True, eq=False)
class Stamp:
    """One drawn object, cut to its own box; shares of each pixel in [0, 1]."""

    coverage: NDArray[np.float32]  # (h, w)
    mask: NDArray[np.bool_]  # (h, w), where at least half of the pixel is covered
    detail: NDArray[np.float32] | None  # (h, w), within the coverage


def draw_stamp(shape: str, diameter: float, rng: np.random.Generator) -> Stamp:
    """The shape with its longer side `diameter` pixels long, turned and stretched at random."""
    kind = SHAPES_DRAWN[shape]
    outline = kind.draw(rng)
    points = np.concatenate([part.points for part in outline]) @ _placement(kind, rng).T
    # Holes may reach out of the body, so only the body says how large the shape is.
    solid = np.concatenate(_bodies(points, outline))
    low, high = solid.min(axis=0), solid.max(axis=0)
    scale = diameter / float((high - low).max())
    # Fewer samples for large stamps: their edges are a smaller part of them.
    samples = 3 if diameter < 64 else 2
    extent = np.ceil((high - low) * scale).astype(int) + 2
    # A random part of a pixel off the grid, so that no edge position is special.
    offset = (extent - (high - low) * scale) / 2 + rng.uniform(-0.5, 0.5, 2)
    drawn = ((points - low) * scale + offset) * samples - 0.5
    coverage = _filled(drawn, outline, extent, samples, detail=False)
    details = rng.random() < 0.5 and any(part.layer == Layer.DETAIL for part in outline)
    return Stamp(
        coverage=coverage,
        mask=coverage >= 0.5,
        detail=_filled(drawn, outline, extent, samples, detail=True) if details else None,
    )


def _placement(kind: Shape, rng: np.random.Generator) -> NDArray[np.float64]:
    turn = np.radians(rng.uniform(-kind.turn, kind.turn))
    stretch = np.exp(rng.uniform(-kind.stretch, kind.stretch))
    flip = -1.0 if kind.mirrors and rng.random() < 0.5 else 1.0
    cos, sin = np.cos(turn), np.sin(turn)
    return np.array([[cos * stretch * flip, -sin], [sin * stretch * flip, cos]])


def _bodies(points: Points, outline: Outline) -> list[Points]:
    """Those of the outline's points that are the body's."""
    bodies, end = [], 0
    for part in outline:
        start, end = end, end + len(part.points)
        if part.layer == Layer.BODY:
            bodies.append(points[start:end])
    return bodies


def _filled(
    points: Points,
    outline: Outline,
    extent: NDArray[np.int_],
    samples: int,
    *,
    detail: bool,
) -> NDArray[np.float32]:
    """The body without its holes, or the details alone, averaged down from the fine grid."""
    fine = Image.new("L", (int(extent[0]) * samples, int(extent[1]) * samples))
    pen = ImageDraw.Draw(fine)
    flat: list[float] = points.ravel().tolist()
    end = 0
    for part in outline:
        start, end = end, end + 2 * len(part.points)
        if (part.layer == Layer.DETAIL) == detail:
            pen.polygon(flat[start:end], fill=0 if part.layer == Layer.HOLE else 255)
    return np.asarray(fine.reduce(samples), np.float32) / np.float32(255)
