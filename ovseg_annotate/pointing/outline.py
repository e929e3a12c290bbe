"""From a rough region to its exact outline: what its colours, its cells and its edges say.

In turn, a few times: the colours inside and around the region say where each pixel belongs, and a
random walk that hardly crosses edges settles it ("Random Walks for Image Segmentation", Grady
2006, with the colour models as priors).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.errors import MarkError
from ovseg_annotate.pointing.views import View

ROUNDS = 4
_BIN = 0.12  # of a colour histogram, in clear differences of colour
_BINS = 16  # at most, along each part of a colour
_DEPTH = 0.12  # of the root of the area: how far from the old outline one can be sure
_AROUND = 0.7  # of the root of the area: what counts as surroundings
_SHAPE = 0.5  # weight of the old outline beside the colours
_DEEP = 2.0  # where the old outline is far enough away
_HOLD = 0.15  # of the priors against the walk
_LEAST_PASSAGE = 0.02  # across the strongest edge
_STEPS = 60
_SURE = 3.0  # nats beyond which nothing gets surer


@dataclass(frozen=True, slots=True, eq=False)
class Constraints:
    """What is certain, (height, width) of a view."""

    inside: NDArray[np.bool_]
    outside: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Settled:
    """The exact region in a view."""

    probability: NDArray[np.float64]  # (height, width) of belonging to it
    mask: NDArray[np.bool_]  # connected with what is certainly inside
    apart: float  # how far its colours lie from those around it, in nats


def settled(
    view: View,
    start: NDArray[np.bool_],
    certain: Constraints,
    rounds: int = ROUNDS,
) -> Settled:
    """Let the region `start` (height, width) of a view find its outline."""
    from scipy.ndimage import gaussian_filter  # noqa: PLC0415  slow to import

    colours = gaussian_filter(view.colours, (0.5, 0.5, 0.0))
    places = _colour_bins(colours)
    passages = _passages(colours)
    mask = (start | certain.inside) & ~certain.outside
    if not mask.any():
        raise MarkError(
            "what is marked as not part of the object leaves nothing of it; mark less of that"
        )
    scale = max(2.0, float(np.sqrt(np.count_nonzero(mask))))
    probability = mask.astype(np.float64)
    for _ in range(rounds):
        depth = _depth(mask)
        around = (depth < 0) & (depth > -_AROUND * scale) | certain.outside & (depth > -2 * scale)
        says = _log_ratio(places, mask, around)
        says += _SHAPE * np.clip(depth / (_DEPTH * scale), -_DEEP, _DEEP)
        prior = 1.0 / (1.0 + np.exp(-says))
        hold = _HOLD * (np.abs(2 * prior - 1) + 0.1)
        prior[certain.inside], prior[certain.outside] = 1.0, 0.0
        hold[certain.inside | certain.outside] = 1e3
        probability = _walked(prior, hold, passages, probability)
        found = _connected(probability > 0.5, certain.inside)
        if not found.any():
            break
        mask = found
    return Settled(probability, mask, _apart(places, mask, scale))


def _apart(places: _Bins, mask: NDArray[np.bool_], scale: float) -> float:
    depth = _depth(mask)
    around = (depth < 0) & (depth > -_AROUND * scale)
    if not around.any():
        return 0.0
    says = _log_ratio(places, mask, around)
    return float(says[mask].mean() - says[around].mean())


def _depth(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Distance to the outline in px, negative outside."""
    from scipy.ndimage import distance_transform_edt  # noqa: PLC0415

    if mask.all():
        return np.full(mask.shape, np.inf)
    depth: NDArray[np.float64] = distance_transform_edt(mask) - distance_transform_edt(~mask)
    return depth


@dataclass(frozen=True, slots=True, eq=False)
class _Bins:
    numbers: NDArray[np.int64]  # (height, width) bin of each pixel
    shape: tuple[int, int, int]


def _colour_bins(colours: NDArray[np.float32]) -> _Bins:
    flat = colours.reshape(-1, 3)
    lowest, highest = flat.min(axis=0), flat.max(axis=0)
    step = max(float((highest - lowest).max()) / _BINS, _BIN)
    parts = ((colours - lowest) / step).astype(np.int64)
    shape = tuple(int(most) + 1 for most in parts.reshape(-1, 3).max(axis=0))
    numbers = (parts[..., 0] * shape[1] + parts[..., 1]) * shape[2] + parts[..., 2]
    return _Bins(numbers, (shape[0], shape[1], shape[2]))


def _log_ratio(
    bins: _Bins, inside: NDArray[np.bool_], around: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """How much more usual a pixel's colour is inside than around, in nats."""
    from scipy.ndimage import gaussian_filter  # noqa: PLC0415

    count = int(np.prod(bins.shape))
    shares = []
    for area in (inside, around):
        pixels = np.bincount(bins.numbers[area], minlength=count).astype(np.float64)
        smooth = gaussian_filter(pixels.reshape(bins.shape), 1.0, mode="constant").ravel()
        shares.append(smooth / max(float(smooth.sum()), 1e-9) + 0.02 / count)
    ratio = np.clip(np.log(shares[0] / shares[1]), -_SURE, _SURE)
    per_pixel: NDArray[np.float64] = ratio[bins.numbers]
    return per_pixel


@dataclass(frozen=True, slots=True, eq=False)
class _Passages:
    """How easily the walk steps between neighbours, 0 to 1."""

    across: NDArray[np.float64]  # (height, width - 1)
    down: NDArray[np.float64]  # (height - 1, width)


def _passages(colours: NDArray[np.float32]) -> _Passages:
    across = ((colours[:, 1:] - colours[:, :-1]).astype(np.float64) ** 2).sum(axis=2)
    down = ((colours[1:] - colours[:-1]).astype(np.float64) ** 2).sum(axis=2)
    usual = 2 * (float(across.mean() + down.mean()) / 2 + 1e-3)
    return _Passages(
        np.exp(-across / usual) + _LEAST_PASSAGE, np.exp(-down / usual) + _LEAST_PASSAGE
    )


def _walked(
    prior: NDArray[np.float64],
    hold: NDArray[np.float64],
    passages: _Passages,
    start: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Where a walker from each pixel ends up: (hold + Laplacian) p = hold x prior."""
    from scipy.sparse.linalg import LinearOperator, cg  # noqa: PLC0415

    across, down = passages.across, passages.down
    degree = hold.copy()
    degree[:, 1:] += across
    degree[:, :-1] += across
    degree[1:] += down
    degree[:-1] += down

    def stepped(flat: NDArray[np.float64]) -> NDArray[np.float64]:
        values = flat.reshape(prior.shape)
        result = degree * values
        result[:, 1:] -= across * values[:, :-1]
        result[:, :-1] -= across * values[:, 1:]
        result[1:] -= down * values[:-1]
        result[:-1] -= down * values[1:]
        return result.ravel()

    count = prior.size
    system = LinearOperator((count, count), matvec=stepped, dtype=np.float64)
    eased = LinearOperator(
        (count, count), matvec=lambda flat: flat / degree.ravel(), dtype=np.float64
    )
    solution, _ = cg(
        system, (hold * prior).ravel(), x0=start.ravel(), rtol=1e-3, maxiter=_STEPS, M=eased
    )
    walked: NDArray[np.float64] = np.clip(solution.reshape(prior.shape), 0.0, 1.0)
    return walked


def _connected(mask: NDArray[np.bool_], inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pieces with something that is certainly inside, or else the largest."""
    from scipy.ndimage import label  # noqa: PLC0415  slow to import

    if inside.any():
        return with_any_of(mask | inside, inside)
    pieces, count = label(mask)
    if count == 0:
        return mask
    largest: NDArray[np.bool_] = pieces == 1 + int(np.bincount(pieces.ravel())[1:].argmax())
    return largest


def with_any_of(mask: NDArray[np.bool_], wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pieces of a mask, corners counted as contact, that hold a wanted pixel."""
    from scipy.ndimage import label  # noqa: PLC0415

    pieces, _ = label(mask, np.ones((3, 3)))
    kept: NDArray[np.bool_] = np.isin(pieces, np.unique(pieces[wanted & mask]))
    return kept
