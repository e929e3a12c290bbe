"""The one object that marks mean.

A click says where a thing is and not how large it is: the picture is looked at from near to far,
each time at the same small working size, so that the answer takes as long for a bead as for a
house. The best region of all looks then finds its outline in a look of its own. A box says both,
so its outline is found at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.geometry import Size, Window
from ovseg_annotate.pointing.candidates import Candidate, candidates
from ovseg_annotate.pointing.cells import CellVectors
from ovseg_annotate.pointing.growing import grown_regions
from ovseg_annotate.pointing.leaves import leaves_of
from ovseg_annotate.pointing.marks import BoxMark, Place, window_of
from ovseg_annotate.pointing.outline import ROUNDS, Constraints, Settled, settled, with_any_of
from ovseg_annotate.pointing.requests import Request
from ovseg_annotate.pointing.views import (
    View,
    grown,
    looks_at,
    view_of,
    whole_pixels,
)

_LOOK = 96  # working px of a look
_OUTLINE = 112  # working px of the look that finds the outline
_ROUGH = 72  # working px of a look that finds a rough outline
_ROUGH_ROUNDS = 2
_TRIED = 4  # regions that find an outline before one is chosen
_ANOTHER_SIZE = 0.18  # by the logarithm of the root of the area
_APART = 1.0  # weight of the colours standing apart, beside the rank
_USUAL, _BY_PROMISE = 0.05, 0.072  # the overlap with the truth that goes with a promise
_AROUND = 0.35  # what is seen around a region while its outline is found, in its sides
_SLACK = 0.04  # by which an object may reach beyond its box, in sides of the box


@dataclass(frozen=True, slots=True)
class PickOptions:
    """How the features of a picture are made; as in annotate, so that kept ones serve."""

    scale: str = "auto"
    overlap: float | None = None
    contrast: str = "auto"  # what competes with the words, where there are words


@dataclass(frozen=True, slots=True, eq=False)
class Picked:
    """One object."""

    mask: NDArray[np.bool_]  # (height, width) of the picture
    score: float  # 0 to 1: how well it stands out as one thing


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """What is known of a picture, at least around the marks."""

    pixels: NDArray[np.uint8]  # (height, width, 3)
    vectors: CellVectors
    likely: CellVectors | None = None  # (rows, columns, 1) probability of the concept, from words

    @property
    def size(self) -> Size:
        return Size(*self.pixels.shape[:2])


def picked(sight: Sight, request: Request) -> Picked:
    """Find the object that points and areas mean."""
    widest = whole_pixels(request.reach, sight.size)
    found = [
        candidate
        for window in looks_at(request.marked, widest)
        for candidate in _seen(sight, window, request)
    ]
    tried = [(_promise(sight, request, each), each) for each in _shortlist(found)]
    promise, best = max(tried, key=lambda pair: pair[0])
    view, settled_there = _outlined(sight, request, best, _OUTLINE, ROUNDS)
    score = float(np.clip(_USUAL + _BY_PROMISE * promise, 0.0, 1.0))
    return Picked(_in_picture(settled_there, view, request), score)


def _shortlist(found: Sequence[Candidate]) -> list[Candidate]:
    """The best few of clearly different sizes."""
    kept: list[Candidate] = []
    for candidate in sorted(found, key=lambda each: -each.rank):
        if all(abs(np.log(candidate.side / other.side)) > _ANOTHER_SIZE for other in kept):
            kept.append(candidate)
    return kept[:_TRIED]


def _promise(sight: Sight, request: Request, candidate: Candidate) -> float:
    """Its rank, with how far its colours stand apart once it has found a rough outline."""
    _, rough = _outlined(sight, request, candidate, _ROUGH, _ROUGH_ROUNDS)
    return candidate.rank + _APART * rough.apart


def _outlined(
    sight: Sight, request: Request, candidate: Candidate, longest: int, rounds: int
) -> tuple[View, Settled]:
    around = grown(_window_in_picture(candidate), _AROUND, sight.size)
    view = view_of(sight.pixels, around, longest)
    start = _moved(candidate.mask.astype(np.float32), candidate.leaves.view.window, view) > 0.5
    return view, settled(view, start, _certain(view, request), rounds)


def _seen(sight: Sight, window: Window, request: Request) -> list[Candidate]:
    view = view_of(sight.pixels, window, _LOOK)
    leaves = leaves_of(view, sight.vectors)
    likely = (
        None if sight.likely is None else sight.likely.at(leaves.x, leaves.y)[:, 0].astype(float)
    )
    unwanted = [place for place in request.unwanted if _is_in(place, window)]
    return candidates(leaves, grown_regions(leaves), (request.wanted, unwanted), likely)


def picked_in_box(pixels: NDArray[np.uint8], request: Request, box: BoxMark) -> Picked:
    """Find the object of a box: its colours against those around it, no vectors needed."""
    size = Size(*pixels.shape[:2])
    drawn = whole_pixels((box.left, box.top, box.right, box.bottom), size)
    view = view_of(pixels, grown(drawn, _AROUND, size), _OUTLINE)
    x, y = (places.reshape(view.size.height, view.size.width) for places in view.places())
    half_width, half_height = (box.right - box.left) / 2, (box.bottom - box.top) / 2
    across = np.abs(x - box.left - half_width) / half_width
    down = np.abs(y - box.top - half_height) / half_height
    certain = _certain(view, request)
    certain.outside[(across > 1 + 2 * _SLACK) | (down > 1 + 2 * _SLACK)] = True
    found = settled(view, across**2 + down**2 < 1, certain)
    mask = _in_picture(found, view, request)
    return Picked(mask, _fit(mask, drawn) * float(found.probability[found.mask].mean()))


def _fit(mask: NDArray[np.bool_], drawn: Window) -> float:
    """How much of a box its object fills from side to side: overlap of the box with its own."""
    own = window_of(mask)
    height = max(0, min(own.bottom, drawn.bottom) - max(own.top, drawn.top))
    width = max(0, min(own.right, drawn.right) - max(own.left, drawn.left))
    shared = height * width
    return shared / (own.size.area + drawn.size.area - shared)


def _certain(view: View, request: Request) -> Constraints:
    inside, outside = (np.zeros((view.size.height, view.size.width), bool) for _ in range(2))
    x, y = view.places()
    for area in request.areas:
        marked = area.mask[y.astype(int), x.astype(int)].reshape(inside.shape)
        (inside if area.positive else outside)[marked] = True
    for places, certain in ((request.wanted, inside), (request.unwanted, outside)):
        for place in places:
            if _is_in(place, view.window):
                certain[view.pixel_at(place.x, place.y)] = True
    for box in request.unwanted_boxes:
        top, left = view.pixel_at(box.left, box.top)
        bottom, right = view.pixel_at(box.right, box.bottom)
        outside[top : bottom + 1, left : right + 1] = True
    outside &= ~inside
    return Constraints(inside, outside)


def _window_in_picture(candidate: Candidate) -> Window:
    view = candidate.leaves.view
    seen, (across, down) = window_of(candidate.mask), view.zoom
    box = (
        view.window.left + seen.left / across,
        view.window.top + seen.top / down,
        view.window.left + seen.right / across,
        view.window.top + seen.bottom / down,
    )
    return whole_pixels(box, view.picture)


def _is_in(place: Place, window: Window) -> bool:
    return window.left <= place.x <= window.right and window.top <= place.y <= window.bottom


def _moved(values: NDArray[np.float32], source: Window, view: View) -> NDArray[np.float32]:
    """Values seen through one window, as another view sees them."""
    height, width = values.shape
    x, y = view.places()
    rows = np.clip(((y - source.top) * height / source.height).astype(int), 0, height - 1)
    columns = np.clip(((x - source.left) * width / source.width).astype(int), 0, width - 1)
    moved: NDArray[np.float32] = values[rows, columns]
    beyond = (x < source.left) | (x > source.right) | (y < source.top) | (y > source.bottom)
    moved[beyond] = 0
    return moved.reshape(view.size.height, view.size.width)


def _in_picture(found: Settled, view: View, request: Request) -> NDArray[np.bool_]:
    """The region at the size of the whole picture, in accord with every mark."""
    from PIL import Image as Pillow  # noqa: PLC0415  importing the core must not import Pillow
    from scipy.ndimage import binary_dilation  # noqa: PLC0415  slow to import

    window, picture = view.window, view.picture
    kept = np.where(binary_dilation(found.mask), found.probability, 0.0).astype(np.float32)
    shown = Pillow.fromarray(kept).resize((window.width, window.height), Pillow.Resampling.BILINEAR)
    part = np.asarray(shown)
    mask = np.zeros((picture.height, picture.width), bool)
    mask[window.slices] = part > min(0.5, 0.999 * float(part.max()))
    for area in request.areas:
        mask[area.mask] = area.positive
    _put(mask, request.unwanted, value=False)
    if request.wanted:
        wanted = np.zeros_like(mask)
        _put(wanted, request.wanted, value=True)
        mask |= wanted
        seen = window_of(mask)
        mask[seen.slices] = with_any_of(mask[seen.slices], wanted[seen.slices])
    return mask


def _put(mask: NDArray[np.bool_], places: Sequence[Place], *, value: bool) -> None:
    for place in places:
        row, column = min(int(place.y), len(mask) - 1), min(int(place.x), mask.shape[1] - 1)
        mask[row, column] = value
