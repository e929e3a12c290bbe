"""What lies between the world and the file: light, lens, sensor."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.datasets.scenes.noise import noise, slope
from ovseg_annotate.datasets.scenes.paint import Canvas
from ovseg_annotate.geometry import Size


def photographed(canvas: Canvas, rng: np.random.Generator) -> NDArray[np.uint8]:
    """An ordinary picture of the canvas; about a third of them untouched."""
    if rng.random() < 0.3:
        return to_bytes(canvas)
    size = Size(*canvas.shape[:2])
    if rng.random() < 0.3:
        strength = np.float32(rng.uniform(0.1, 0.28))
        canvas = canvas * (1 - strength * slope(size, rng))[..., None]
    if rng.random() < 0.6:
        canvas = canvas * np.float32(rng.uniform(0.88, 1.12)) + np.float32(rng.uniform(-0.04, 0.04))
    if rng.random() < 0.3:
        canvas = np.clip(canvas, 0, 1) ** np.float32(rng.uniform(0.8, 1.25))
    if rng.random() < 0.35:
        canvas = blurred(canvas, rng.uniform(0.4, 0.8))
    if rng.random() < 0.4:
        canvas = with_grain(canvas, rng.uniform(0.01, 0.06), rng)
    return to_bytes(canvas)


def with_grain(canvas: Canvas, amount: float, rng: np.random.Generator) -> Canvas:
    size = Size(*canvas.shape[:2])
    if rng.random() < 0.5:
        return canvas + np.float32(amount) * noise(size, rng)[..., None]
    grains = np.stack([noise(size, rng) for _ in range(3)], axis=2)
    return canvas + np.float32(amount) * grains


def blurred(canvas: Canvas, sigma: float) -> Canvas:
    """A small Gaussian blur as steps of diffusion; nothing flows over the border."""
    steps = math.ceil(sigma**2 / 0.5)
    soft = canvas.copy()
    for _ in range(steps):
        flow = np.float32(sigma**2 / 2 / steps)
        for axis_first in (soft, soft.swapaxes(0, 1)):
            change = (axis_first[1:] - axis_first[:-1]) * flow
            axis_first[:-1] += change
            axis_first[1:] -= change
    return soft


def to_bytes(canvas: Canvas) -> NDArray[np.uint8]:
    return (np.clip(canvas, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)
