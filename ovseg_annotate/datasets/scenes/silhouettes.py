"""Outlines of everyday things, as a child would cut them out; each call varies a little."""

from __future__ import annotations

import numpy as np

from ovseg_annotate.datasets.scenes.curves import (
    Layer,
    Outline,
    Part,
    Points,
    arc,
    bar,
    box,
    capsule,
    disc,
    mirrored,
    polygon,
    smooth,
)


def _detail(points: Points) -> Part:
    return Part(points, Layer.DETAIL)


def _toned(points: Points) -> Outline:
    """A piece of the body that gets its own tone when details are shown."""
    return Part(points), Part(points, Layer.DETAIL)


def house(rng: np.random.Generator) -> Outline:
    eaves, wall = rng.uniform(-0.25, 0.0), rng.uniform(0.72, 0.9)
    chimney = [Part(box(0.4, -0.85, 0.66, eaves))] if rng.random() < 0.7 else []
    roof = polygon((-1, eaves), (0, -1), (1, eaves))
    openings = [box(-0.18, 0.4, 0.18, 1), box(-0.6, 0.15, -0.3, 0.45), box(0.3, 0.15, 0.6, 0.45)]
    return (
        *chimney,
        Part(box(-wall, eaves - 0.02, wall, 1)),
        Part(roof),
        *(_detail(opening) for opening in openings),
    )


def tree(rng: np.random.Generator) -> Outline:
    trunk = rng.uniform(0.09, 0.15)
    if rng.random() < 0.5:
        tiers = ((-1, -0.35, 0.45), (-0.65, 0.1, 0.6), (-0.25, 0.6, 0.75))
        crown = [polygon((0, top), (half, low), (-half, low)) for top, low, half in tiers]
    else:
        crown = [disc(0, -0.45, 0.55), disc(-0.4, -0.12, 0.42), disc(0.4, -0.12, 0.42)]
    low = max(float(piece[:, 1].max()) for piece in crown) - 0.1
    return *(Part(piece) for piece in crown), *_toned(box(-trunk, low, trunk, 1))


def car(rng: np.random.Generator) -> Outline:
    rear, front, roof = rng.uniform(-0.7, -0.5), rng.uniform(0.15, 0.35), -0.58
    cabin = polygon((rear - 0.15, -0.08), (rear + 0.1, roof), (front, roof), (front + 0.38, -0.08))
    body = smooth(polygon((-1, 0), (-0.9, -0.12), (0.7, -0.1), (1, 0.08), (1, 0.36), (-1, 0.36)), 3)
    rise = [(rear + 0.05, -0.1), (rear + 0.2, -0.45), (front - 0.05, -0.45), (front + 0.2, -0.1)]
    glass = polygon(*rise)
    wheels = [disc(x, 0.36, 0.24) for x in (-0.55, 0.55)]
    return (
        Part(cabin),
        Part(body),
        _detail(glass),
        *(part for wheel in wheels for part in _toned(wheel)),
    )


def fish(rng: np.random.Generator) -> Outline:
    plump = rng.uniform(0.42, 0.6)
    tail = polygon((-0.35, 0), (-1, -0.55), (-0.82, 0), (-1, 0.55))
    fin = polygon((-0.1, -plump * 0.85), (0.35, -plump * 0.85), (-0.05, -plump - 0.28))
    body = arc((0.25, 0), (0.75, plump))
    return Part(tail), Part(fin), Part(body), _detail(disc(0.68, -0.12, 0.09))


def leaf(rng: np.random.Generator) -> Outline:
    t = np.linspace(0, 1, 16)
    half = rng.uniform(0.45, 0.6) * np.sin(np.pi * t**0.85) ** 0.9
    x = 1.7 * t - 0.7
    blade = np.column_stack([np.r_[x, x[::-1]], np.r_[-half, half[::-1]]])
    veins = [bar((x, 0), (x + 0.25, y), 0.05) for x in (-0.25, 0.1, 0.4) for y in (-0.28, 0.28)]
    rib = bar((-0.7, 0), (0.85, 0), 0.07)
    return Part(blade), Part(bar((-1, 0), (-0.6, 0), 0.1)), *map(_detail, [rib, *veins])


def flower(rng: np.random.Generator) -> Outline:
    petals = int(rng.integers(5, 8))
    angles = 2 * np.pi * np.arange(petals) / petals
    width = 1.25 / petals
    blades = [arc((0.6 * np.cos(a), 0.6 * np.sin(a)), (0.42, width + 0.06), tilt=a) for a in angles]
    return *(Part(blade) for blade in blades), *_toned(disc(0, 0, rng.uniform(0.24, 0.32)))


def boat(rng: np.random.Generator) -> Outline:
    deck = rng.uniform(0.35, 0.45)
    hull = polygon((-1, deck), (1, deck), (0.65, 1), (-0.65, 1))
    sails = [polygon((0.06, -0.95), (0.06, deck - 0.12), (0.8, deck - 0.12))]
    if rng.random() < 0.6:
        sails.append(polygon((-0.1, -0.7), (-0.1, deck - 0.12), (-0.65, deck - 0.12)))
    mast = bar((-0.02, -1), (-0.02, deck + 0.05), 0.09)
    return *(Part(sail) for sail in sails), Part(mast), *_toned(hull)


def mushroom(rng: np.random.Generator) -> Outline:
    brim, stem = rng.uniform(-0.05, 0.15), rng.uniform(0.2, 0.3)
    cap = arc((0, brim), (1, brim + 1), (0.5, 1.0))
    foot = polygon((-stem, brim - 0.05), (stem, brim - 0.05), (stem + 0.08, 1), (-stem - 0.08, 1))
    spots = [disc(x, y, 0.14) for x, y in ((-0.45, -0.2), (0.05, -0.55), (0.5, -0.22))]
    return Part(foot), Part(cap), *map(_detail, spots)


def cloud(rng: np.random.Generator) -> Outline:
    heights = rng.uniform(-0.15, 0.1, 3)
    puffs = [disc(-0.3, heights[0] - 0.1, 0.42), disc(0.25, heights[1] - 0.15, 0.48)]
    sides = [disc(-0.68, 0.22, 0.32), disc(0.68, 0.22, 0.32), disc(0, heights[2] + 0.1, 0.45)]
    return *(Part(puff) for puff in [*puffs, *sides]), Part(box(-0.68, 0.1, 0.68, 0.54))


def cup(rng: np.random.Generator) -> Outline:
    foot = rng.uniform(0.42, 0.62)
    handle = (0.5, 0.05)
    body = polygon((-0.9, -0.8), (0.5, -0.8), (foot - 0.2, 0.85), (-foot - 0.2, 0.85))
    return (
        Part(arc(handle, (0.5, 0.45))),
        Part(arc(handle, (0.3, 0.26)), Layer.HOLE),
        Part(body),
        _detail(box(-0.86, -0.62, 0.46, -0.5)),
    )


def bird(rng: np.random.Generator) -> Outline:
    lift = rng.uniform(-0.1, 0.1)
    body = arc((-0.05, 0.1), (0.55, 0.38), tilt=-0.25)
    tail = polygon((-0.4, 0.0), (-0.35, 0.3), (-1, 0.5 + lift), (-0.95, 0.2 + lift))
    beak = polygon((0.7, -0.5), (1, -0.36), (0.68, -0.28))
    legs = [bar((x, 0.4), (x + 0.05, 0.85), 0.08) for x in (-0.1, 0.15)]
    wing = arc((-0.15, 0.1), (0.36, 0.2), tilt=-0.25)
    head = disc(0.45, -0.38, 0.3)
    eye = disc(0.53, -0.45, 0.07)
    return *map(Part, [body, tail, beak, *legs, head]), _detail(wing), _detail(eye)


def butterfly(rng: np.random.Generator) -> Outline:
    spread = rng.uniform(0.3, 0.4)
    upper = arc((0.52, -0.38), (0.54, spread), tilt=-0.65)
    lower = arc((0.4, 0.4), (0.42, 0.3), tilt=0.75)
    feeler = bar((0, -0.4), (0.25, -0.95), 0.06)
    spot = disc(0.58, -0.42, 0.14)
    right = [upper, lower, feeler]
    wings = [Part(piece) for side in right for piece in (side, mirrored(side))]
    return *wings, *_toned(arc((0, 0), (0.11, 0.6))), _detail(spot), _detail(mirrored(spot))


def key(rng: np.random.Generator) -> Outline:
    bow, tooth = rng.uniform(0.36, 0.44), rng.uniform(0.28, 0.38)
    return (
        Part(disc(-1 + bow, 0, bow)),
        Part(disc(-1 + bow, 0, bow * 0.5), Layer.HOLE),
        Part(box(-1.03 + 2 * bow, -0.1, 1, 0.1)),
        Part(box(0.78, 0, 0.98, tooth)),
        Part(box(0.42, 0, 0.62, tooth * 0.85)),
    )


def bottle(rng: np.random.Generator) -> Outline:
    neck, shoulder, half = rng.uniform(0.12, 0.17), rng.uniform(-0.3, -0.1), rng.uniform(0.34, 0.42)
    right = [(neck, -0.92), (neck, shoulder - 0.2), (half, shoulder + 0.12), (half, 1.0)]
    glass = polygon(*right, *((-x, y) for x, y in reversed(right)))
    return (
        Part(box(-neck - 0.05, -1, neck + 0.05, -0.84)),
        Part(glass),
        _detail(box(-half, shoulder + 0.4, half, 0.75)),
    )


def hand(rng: np.random.Generator) -> Outline:
    spread = rng.uniform(0.85, 1.15)
    palm = smooth(polygon((-0.42, 0), (0.42, 0), (0.4, 0.75), (0.2, 1), (-0.2, 1), (-0.4, 0.75)), 4)
    tips = ((-0.55, -0.62), (-0.2, -0.9), (0.16, -0.88), (0.5, -0.62))
    roots = ((-0.31, 0.1), (-0.11, 0.05), (0.11, 0.05), (0.31, 0.1))
    fingers = [
        capsule(root, (x * spread, y), 0.2) for root, (x, y) in zip(roots, tips, strict=True)
    ]
    return Part(palm), *map(Part, fingers), Part(capsule((0.2, 0.6), (0.85, 0.1), 0.23))


def umbrella(rng: np.random.Generator) -> Outline:
    rim = rng.uniform(0.0, 0.12)
    canopy = arc((0, rim), (1, rim + 0.85), (0.5, 1.0))
    scallops = [arc((x, rim), (1 / 3, 0.13), (0.5, 1.0)) for x in (-2 / 3, 0, 2 / 3)]
    hook = [arc((0.2, 0.76), (0.24, 0.24), (0.0, 0.5)), arc((0.2, 0.74), (0.1, 0.12), (0.0, 0.5))]
    ribs = [bar((x, rim - 0.12), (0, -0.82), 0.05) for x in (-1 / 3, 1 / 3)]
    return (
        Part(bar((0, -1), (0, -0.7), 0.08)),
        Part(canopy),
        *(Part(scallop, Layer.HOLE) for scallop in scallops),
        Part(hook[0]),
        Part(hook[1], Layer.HOLE),
        Part(box(-0.05, rim - 0.15, 0.06, 0.78)),
        *map(_detail, ribs),
    )


def rocket(rng: np.random.Generator) -> Outline:
    half = rng.uniform(0.26, 0.34)
    right = [(0.0, -1.0), (half * 0.75, -0.55), (half, -0.1), (half * 0.85, 0.6)]
    hull = polygon(*right, *((-x, y) for x, y in reversed(right[1:])))
    fin = polygon((half * 0.8, 0.1), (0.65, 0.55), (0.65, 0.85), (half * 0.7, 0.55))
    flame = polygon((-0.16, 0.6), (0.16, 0.6), (0, 1))
    return (
        Part(hull),
        Part(fin),
        Part(mirrored(fin)),
        *_toned(flame),
        _detail(disc(0, -0.25, half * 0.5)),
    )


def lamp(rng: np.random.Generator) -> Outline:
    top, low = rng.uniform(0.3, 0.42), rng.uniform(-0.1, 0.05)
    shade = polygon((-top, -1), (top, -1), (0.8, low), (-0.8, low))
    foot = arc((0, 1), (0.5, 0.24), (0.5, 1.0))
    return *_toned(shade), Part(box(-0.09, low - 0.02, 0.09, 0.85)), Part(foot)


def bell(rng: np.random.Generator) -> Outline:
    waist = rng.uniform(0.42, 0.52)
    right = [(0.18, -0.78), (waist, -0.4), (waist + 0.08, 0.2), (0.9, 0.62), (0.85, 0.72)]
    body = polygon(*right, *((-x, y) for x, y in reversed(right)))
    rim = box(-0.8, 0.5, 0.8, 0.58)
    return *map(Part, [disc(0, -0.85, 0.15), disc(0, 0.78, 0.2), body]), _detail(rim)


def apple(rng: np.random.Generator) -> Outline:
    t = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    dip = rng.uniform(0.22, 0.32)
    away_from_top = np.minimum(t, 2 * np.pi - t)
    radius = 0.8 - dip * np.exp(-((away_from_top / 0.45) ** 2)) + 0.05 * np.cos(2 * t + np.pi)
    radius -= 0.08 * np.exp(-(((t - np.pi) / 0.3) ** 2))
    body = np.column_stack([radius * np.sin(t), 0.25 - 0.95 * radius * np.cos(t)])
    stem = bar((0, -0.2), (0.12, -0.8), 0.1)
    return *map(Part, [body, stem]), *_toned(arc((0.38, -0.68), (0.32, 0.15), tilt=-0.4))
