"""Grounds that look like their word."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from ovseg_annotate.datasets.scenes.noise import Field, noise, slope
from ovseg_annotate.datasets.scenes.paint import Canvas, Rgb, blend, draw_rgb
from ovseg_annotate.geometry import Size

Painter: TypeAlias = Callable[[Size, np.random.Generator], Canvas]


def _rgb(red: float, green: float, blue: float) -> Rgb:
    return np.array([red, green, blue], np.float32)


def _varied(rgb: Rgb, rng: np.random.Generator, amount: float = 0.06) -> Rgb:
    jitter = rng.uniform(-amount, amount, 3) * 0.5 + rng.uniform(-amount, amount)
    return np.clip(rgb + jitter.astype(np.float32), 0, 1)


def _toned(size: Size, rgb: Rgb, shade: Field) -> Canvas:
    """One colour, brighter and darker: shade is a factor around 0 (0.1 = ten percent brighter)."""
    return np.broadcast_to(rgb, (size.height, size.width, 3)) * (1 + shade)[..., None]


def grass(size: Size, rng: np.random.Generator) -> Canvas:
    blades = noise(size, rng, 3.0, 0.6)
    patches = noise(size, rng, 8.0, 8.0)
    base = _varied(_rgb(0.3, 0.52, 0.16), rng, 0.05)
    canvas = _toned(size, base, 0.24 * blades + 0.1 * patches)
    canvas[..., 0] += 0.05 * patches  # drier here, juicier there
    return canvas


def sky(size: Size, rng: np.random.Generator) -> Canvas:
    low = np.linspace(0, 1, size.height, dtype=np.float32)[:, None]
    top, horizon = _varied(_rgb(0.24, 0.5, 0.92), rng), _varied(_rgb(0.62, 0.8, 0.97), rng, 0.04)
    share = np.broadcast_to(low, (size.height, size.width))
    canvas = top + (horizon - top) * share[..., None]
    if rng.random() < 0.75:
        mist = np.clip(noise(size, rng, 5.0, 12.0) * 0.7 - rng.uniform(0.1, 0.7), 0, 0.85)
        blend(canvas, _rgb(0.98, 0.98, 1.0), mist)
    return canvas


def sand(size: Size, rng: np.random.Generator) -> Canvas:
    y = np.arange(size.height, dtype=np.float32)[:, None]
    ripples = np.sin((y + 3 * noise(size, rng, 8.0, 16.0)) * np.float32(rng.uniform(0.5, 0.9)))
    shade = 0.07 * noise(size, rng) + np.float32(rng.uniform(0.02, 0.06)) * ripples
    return _toned(size, _varied(_rgb(0.86, 0.74, 0.5), rng, 0.05), shade)


def water(size: Size, rng: np.random.Generator) -> Canvas:
    swell = noise(size, rng, 1.2, 7.0)
    base = _varied(_rgb(0.1, 0.36, 0.55), rng, 0.06)
    canvas = _toned(size, base, 0.2 * swell + 0.08 * noise(size, rng, 4.0, 16.0))
    blend(canvas, _rgb(0.85, 0.95, 1.0), np.clip((swell - 1.5) * 0.9, 0, 0.8))
    return canvas


def wood(size: Size, rng: np.random.Generator) -> Canvas:
    upright = rng.random() < 0.5
    lying = Size(size.width, size.height) if upright else size
    plank = int(rng.integers(13, 26))
    rows = np.arange(lying.height) + int(rng.integers(plank))
    tones = rng.uniform(-0.14, 0.14, lying.height // plank + 2).astype(np.float32)
    grain = np.sin(4 * noise(lying, rng, 3.0, 24.0)) * np.float32(0.08)
    shade = grain + 0.06 * noise(lying, rng, 0.6, 12.0) + tones[rows // plank][:, None]
    shade[rows % plank == 0] -= 0.45
    canvas = _toned(lying, _varied(_rgb(0.62, 0.42, 0.24), rng, 0.07), shade)
    return canvas.transpose(1, 0, 2) if upright else canvas


def brick(size: Size, rng: np.random.Generator) -> Canvas:
    tall = int(rng.integers(7, 12))
    wide = round(tall * rng.uniform(2.0, 2.5))
    y = np.arange(size.height)[:, None] + int(rng.integers(tall))
    course = y // tall
    x = np.arange(size.width) + int(rng.integers(wide)) + course % 2 * (wide // 2)
    tones = rng.uniform(-0.2, 0.2, (size.height // tall + 2, size.width // wide + 3))
    shade = tones.astype(np.float32)[course, x // wide] + 0.07 * noise(size, rng, 0.6, 0.6)
    canvas = _toned(size, _varied(_rgb(0.64, 0.28, 0.2), rng, 0.06), shade)
    canvas[(y % tall == 0) | (x % wide == 0)] = _varied(_rgb(0.78, 0.74, 0.68), rng, 0.08)
    return canvas


def snow(size: Size, rng: np.random.Generator) -> Canvas:
    drifts = np.clip(0.35 + 0.4 * noise(size, rng, 3.0, 16.0), 0, 1)
    canvas = _toned(size, _rgb(0.94, 0.95, 0.97), 0.025 * noise(size, rng))
    blend(canvas, _varied(_rgb(0.8, 0.84, 0.91), rng, 0.03), drifts * np.float32(0.6))
    canvas[noise(size, rng) > 2.3] = 1.0  # crystals that catch the light
    return canvas


def road(size: Size, rng: np.random.Generator) -> Canvas:
    grain = 0.13 * noise(size, rng) + 0.08 * noise(size, rng, 8.0, 8.0)
    canvas = _toned(size, _varied(_rgb(0.33, 0.33, 0.35), rng, 0.04), grain)
    upright = rng.random() < 0.5
    along = np.arange(size.height if upright else size.width)
    across = np.arange(size.width if upright else size.height)
    dash, width = int(rng.integers(14, 24)), rng.uniform(1.5, 3.0)
    centre = rng.uniform(0.2, 0.8) * len(across)
    lane = np.clip(width + 0.5 - np.abs(across - centre), 0, 1)
    painted = ((along + int(rng.integers(dash))) % dash < 0.6 * dash).astype(np.float64)
    share = np.outer(painted, lane) if upright else np.outer(lane, painted)
    line = _rgb(0.92, 0.92, 0.9) if rng.random() < 0.6 else _rgb(0.93, 0.78, 0.2)
    blend(canvas, line, (share * 0.9).astype(np.float32))
    return canvas


def fabric(size: Size, rng: np.random.Generator) -> Canvas:
    colour = str(rng.choice(["red", "blue", "green", "gray", "purple", "brown", "pink", "cyan"]))
    thread = int(rng.integers(2, 4))
    y, x = np.arange(size.height)[:, None] // thread, np.arange(size.width) // thread
    over = ((x + y) % 2).astype(np.float32)  # which of the two threads lies on top
    soft = draw_rgb(colour, rng) * np.float32(0.7) + np.float32(0.18)
    folds = noise(size, rng, 16.0, 8.0)
    return _toned(size, soft, 0.3 * (over - 0.5) + 0.14 * folds + 0.04 * noise(size, rng))


def stone(size: Size, rng: np.random.Generator) -> Canvas:
    """Cobbles: every pixel takes the nearest of the jittered centres, on a half-size grid."""
    pitch = float(rng.uniform(13, 20)) / 2
    rows, columns = -(-size.height // 2), -(-size.width // 2)
    down, across = int(rows / pitch) + 3, int(columns / pitch) + 3
    cy = (np.arange(down)[:, None] - 0.5 + rng.uniform(-0.3, 0.3, (down, across))) * pitch
    cx = (np.arange(across) - 0.5 + rng.uniform(-0.3, 0.3, (down, across))) * pitch
    iy = (np.arange(rows) / pitch).astype(int)[:, None]
    ix = (np.arange(columns) / pitch).astype(int)
    y, x = np.arange(rows)[:, None], np.arange(columns)
    nearest = np.full((rows, columns), np.inf)
    second = nearest.copy()
    stone_at = np.zeros((rows, columns), int)
    for dy in range(3):
        for dx in range(3):
            r, c = iy + dy, ix + dx
            far = (cy[r, c] - y) ** 2 + (cx[r, c] - x) ** 2
            closer = far < nearest
            second = np.where(closer, nearest, np.minimum(second, far))
            nearest = np.where(closer, far, nearest)
            stone_at = np.where(closer, r * across + c, stone_at)
    joint = np.clip(1.6 - (np.sqrt(second) - np.sqrt(nearest)), 0, 1)
    tones = rng.uniform(-0.2, 0.25, down * across)[stone_at] - 0.5 * joint
    shade = tones.repeat(2, 0).repeat(2, 1)[: size.height, : size.width].astype(np.float32)
    shade = shade + 0.06 * noise(size, rng, 0.6, 0.6)
    return _toned(size, _varied(_rgb(0.55, 0.54, 0.52), rng, 0.04), shade)


MATERIALS_PAINTED: Mapping[str, Painter] = MappingProxyType(
    {
        "grass": grass,
        "sky": sky,
        "sand": sand,
        "water": water,
        "wood": wood,
        "brick": brick,
        "snow": snow,
        "road": road,
        "fabric": fabric,
        "stone": stone,
    }
)


def plain_ground(size: Size, rgb: Rgb, rng: np.random.Generator) -> Canvas:
    """A coloured backdrop, evenly or a little unevenly lit."""
    strength = np.float32(rng.uniform(0, 0.12))
    return _toned(size, rgb, strength * (slope(size, rng) - np.float32(0.5)))
