"""Masks and label maps that the tests of regions and polygons draw."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy import ndimage

from ovseg_annotate.label_map import LabelMap
from ovseg_annotate.vocabulary import Vocabulary

# A loaded machine is no defect, so examples have no deadline.
some_examples = settings(max_examples=40, deadline=None)

WORDS = Vocabulary.parse("ash; birch; cedar")

small_masks = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=14))
small_labels = hnp.arrays(
    np.uint8,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=12),
    elements=st.integers(0, 3),
)
smooth_labels = st.builds(
    lambda seed, height, width: smooth_field(seed, (height, width), concepts=3, sigma=2.5),
    st.integers(0, 2**32 - 1),
    st.integers(20, 50),
    st.integers(20, 50),
)


def label_map(labels: NDArray[np.uint8], confidence: float = 0.5) -> LabelMap:
    sure = np.full(labels.shape, confidence, np.float16)
    return LabelMap(labels, sure, (sure / 2).astype(np.float16), WORDS)


def smooth_field(
    seed: int, shape: tuple[int, int], concepts: int, sigma: float
) -> NDArray[np.uint8]:
    """Labels 0 to `concepts` in smooth blobs."""
    noise = np.random.default_rng(seed).standard_normal((concepts + 1, *shape))
    smooth = np.stack([ndimage.gaussian_filter(layer, sigma) for layer in noise])
    return smooth.argmax(axis=0).astype(np.uint8)


def disk(shape: tuple[int, int], centre: tuple[float, float], radius: float) -> NDArray[np.bool_]:
    """The pixels whose centre is within `radius` of (x, y)."""
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    return np.hypot(x - centre[0], y - centre[1]) <= radius


def ring() -> NDArray[np.bool_]:
    return disk((90, 90), (45, 45), 40) & ~disk((90, 90), (45, 45), 22)


def ring_with_island() -> NDArray[np.bool_]:
    return ring() | disk((90, 90), (45, 45), 9)


def box_with_two_holes() -> NDArray[np.bool_]:
    mask = np.ones((30, 50), np.bool_)
    mask[5:15, 5:15] = mask[12:25, 22:44] = False
    return mask


def diagonal_hole_pixels() -> NDArray[np.bool_]:
    mask = np.ones((6, 6), np.bool_)
    mask[2, 2] = mask[3, 3] = False
    return mask


def star(shape: tuple[int, int], teeth: int) -> NDArray[np.bool_]:
    """A star with a long outline."""
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    x, y = x - shape[1] / 2, y - shape[0] / 2
    reach = 0.35 + 0.12 * np.cos(teeth * np.arctan2(y, x))
    return np.hypot(x, y) <= reach * min(shape)


SHAPES: dict[str, Callable[[], NDArray[np.bool_]]] = {
    "disk of radius 30": lambda: disk((70, 80), (40, 35), 30),
    "disk of radius 100": lambda: disk((210, 210), (105, 105), 100),
    "ring": ring,
    "ring with an island": ring_with_island,
    "two holes": box_with_two_holes,
    "diagonal hole pixels": diagonal_hole_pixels,
    "box over the whole picture": lambda: np.ones((40, 30), np.bool_),
    "half disk at the edge": lambda: disk((60, 60), (0, 30), 25),
    "level line of one pixel": lambda: np.ones((1, 60), np.bool_),
    "upright line of one pixel": lambda: np.ones((60, 1), np.bool_),
    "slanted line": lambda: np.abs(np.subtract.outer(np.arange(40), np.arange(60) // 2)) < 1,
    "one pixel": lambda: np.ones((1, 1), np.bool_),
    "block of four pixels": lambda: np.ones((2, 2), np.bool_),
    "one by two pixels": lambda: np.ones((1, 2), np.bool_),
    "star": lambda: star((150, 150), teeth=9),
    "silhouettes": lambda: smooth_field(3, (160, 160), concepts=2, sigma=6) == 1,
}
