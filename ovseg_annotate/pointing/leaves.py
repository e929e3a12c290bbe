"""The small even areas of a view, and the borders between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.pointing.cells import CellVectors
from ovseg_annotate.pointing.views import View
from ovseg_annotate.refine.superpixels import superpixels

_AREA = 24  # working px
_COMPONENTS = 6  # of the vectors, that describe a leaf
_VECTOR_SHARE = 0.6  # what the vectors weigh beside colours
_SAMPLES = 150  # leaves that the components are taken from


@dataclass(frozen=True, slots=True, eq=False)
class Leaves:
    """Leaf k is where `numbers` is k."""

    view: View
    numbers: NDArray[np.int64]  # (height, width)
    areas: NDArray[np.float64]  # (leaves,) working px
    x: NDArray[np.float64]  # (leaves,) centres in the picture
    y: NDArray[np.float64]
    looks: NDArray[np.float64]  # (leaves, parts) colour and vector components
    pairs: NDArray[np.int64]  # (borders, 2) leaves that touch, the smaller number first
    lengths: NDArray[np.float64]  # (borders,) working px
    edges: NDArray[np.float64]  # (borders,) mean change of colour across a working px
    cut: NDArray[np.float64]  # (leaves,) working px along sides where the picture goes on

    def __len__(self) -> int:
        return len(self.areas)


def leaves_of(view: View, vectors: CellVectors) -> Leaves:
    """Cut a view into areas of even colour."""
    numbers = superpixels(view.pixels, _AREA).astype(np.int64) - 1
    count = int(numbers.max()) + 1
    flat = numbers.ravel()
    areas = np.bincount(flat, minlength=count).astype(np.float64)

    def mean(values: NDArray[np.floating]) -> NDArray[np.float64]:
        means: NDArray[np.float64] = np.bincount(flat, values.ravel(), count) / areas
        return means

    x, y = (mean(places) for places in view.places())
    colours = np.stack([mean(view.colours[..., part]) for part in range(3)], axis=1)
    looks = np.concatenate([colours, _VECTOR_SHARE * _components(vectors.at(x, y))], axis=1)
    pairs, lengths, edges = _borders(numbers, _change(view.colours))
    return Leaves(view, numbers, areas, x, y, looks, pairs, lengths, edges, _cut(view, numbers))


def _components(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """(leaves, width) -> (leaves, few): what differs most between leaves, of mean length 1."""
    centred = (vectors - vectors.mean(axis=0)).astype(np.float64)
    some = centred[:: -(-len(centred) // _SAMPLES)]
    # The small side: as many numbers as samples, however wide the vectors are.
    values, rows = np.linalg.eigh(some @ some.T)
    strongest = values.argsort()[::-1][: min(_COMPONENTS, len(some))]
    axes = some.T @ rows[:, strongest] / np.sqrt(np.maximum(values[strongest], 1e-9))
    components: NDArray[np.float64] = centred @ axes
    length = np.sqrt((components**2).sum(axis=1).mean())
    return components / max(float(length), 1e-3)


def _change(colours: NDArray[np.float32]) -> NDArray[np.float64]:
    """How strongly the colour changes at each working px."""
    from scipy.ndimage import gaussian_filter  # noqa: PLC0415  slow to import

    squares = np.zeros(colours.shape[:2])
    for part in range(colours.shape[2]):
        for order in ((0, 1), (1, 0)):
            squares += gaussian_filter(colours[..., part], 0.8, order=order) ** 2
    change: NDArray[np.float64] = np.sqrt(squares)
    return change


def _borders(
    numbers: NDArray[np.int64], change: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Pairs of leaves that touch, how long and across how much change."""
    count = int(numbers.max()) + 1
    before = [numbers[:, :-1].ravel(), numbers[:-1].ravel()]
    after = [numbers[:, 1:].ravel(), numbers[1:].ravel()]
    across = [
        np.maximum(change[:, :-1], change[:, 1:]).ravel(),
        np.maximum(change[:-1], change[1:]).ravel(),
    ]
    one, other, steps = (np.concatenate(parts) for parts in (before, after, across))
    border = one != other
    codes = np.minimum(one, other)[border] * count + np.maximum(one, other)[border]
    found, places = np.unique(codes, return_inverse=True)
    lengths = np.bincount(places, minlength=len(found)).astype(np.float64)
    edges = np.bincount(places, steps[border], len(found)) / np.maximum(lengths, 1)
    return np.stack([found // count, found % count], axis=1), lengths, edges


def _cut(view: View, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    """How much of each leaf lies along a side of the window inside the picture."""
    window, picture = view.window, view.picture
    sides = (
        (window.top > 0, numbers[0]),
        (window.bottom < picture.height, numbers[-1]),
        (window.left > 0, numbers[:, 0]),
        (window.right < picture.width, numbers[:, -1]),
    )
    total = np.zeros(int(numbers.max()) + 1)
    for goes_on, side in sides:
        if goes_on:
            total += np.bincount(side, minlength=len(total))
    return total
