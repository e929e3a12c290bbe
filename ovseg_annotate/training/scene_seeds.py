"""Seeds of training scenes, which no held-out set has."""

from __future__ import annotations

import numpy as np

_TRAINING_BIT = 1 << 62  # held-out sets are numbered from 0


def scene_seeds(entropy: tuple[int, ...], count: int) -> tuple[int, ...]:
    """So many seeds, the same ones for the same numbers."""
    drawn = np.random.SeedSequence(entropy).generate_state(count, np.uint64)
    return tuple(int(seed) >> 2 | _TRAINING_BIT for seed in drawn)
