"""Corrections for the tests of the learning loop."""

from __future__ import annotations

import numpy as np

from ovseg_annotate.evaluation.effort import Effort
from ovseg_annotate.geometry import Size
from ovseg_annotate.learning_loop.corrections import Correction, Stated
from ovseg_annotate.regions import Mask


def stated(concept: str, seed: int) -> Stated:
    pixels = np.random.default_rng(seed).random((5, 7)) < 0.5
    return Stated(concept, Mask.of(pixels | np.eye(5, 7, dtype=np.bool_), seed % 9, seed % 11))


def correction(picture: str = "a.png", seed: int = 0) -> Correction:
    return Correction(
        picture=picture,
        size=Size(height=24, width=32),
        version="0123456789abcdef",
        accepted=seed % 2 == 0,
        certain=(stated('rosé, "7"', seed), stated("", seed + 1)),
        rejected=(stated("green", seed + 2),),
        effort=Effort(pixels_relabelled=seed, regions_changed=1),
    )
