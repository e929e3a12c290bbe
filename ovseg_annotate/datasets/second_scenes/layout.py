"""Where objects stand: masks at four times the size and at the size of the picture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from ovseg_annotate.datasets.scenes.scene import SceneRules, SceneStyle
from ovseg_annotate.datasets.second_scenes.figures import FIGURES
from ovseg_annotate.datasets.second_scenes.handiwork import HANDIWORK
from ovseg_annotate.datasets.second_scenes.nature import NATURE
from ovseg_annotate.datasets.second_scenes.strokes import stamped

FINER = 4  # times the picture's size: everything is drawn there and then reduced

_OUTLINES = MappingProxyType({**FIGURES, **NATURE, **HANDIWORK})
_HALF = 128  # a pixel belongs to the object that covers at least half of it
_TURNS: Mapping[str, float] = MappingProxyType(
    {
        **dict.fromkeys(_OUTLINES, 16.0),
        **dict.fromkeys(("square", "cross", "diamond"), 10.0),  # more, and they change their names
        **dict.fromkeys(
            ("circle", "star", "ring", "crescent", "arrow", "pentagon", "hexagon", "ellipse",
             "rectangle", "semicircle", "triangle", "key", "leaf"),
            180.0,
        ),
    }
)  # fmt: skip
_GAP = 3  # px between separate objects
_TRIES = 40  # to find room for an object
_KEPT = 0.55  # of an object stays visible whatever covers it
_ALONE = 0.3  # share of a crowd's objects that need not touch another
_LENGTHS = (23.0, 43.0)  # px


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """The mask of one object and where it lies."""

    fine: Image.Image  # L, its sides multiples of FINER
    mask: NDArray[np.bool_]  # at the picture's size
    top: int = 0  # px of the picture
    left: int = 0

    @property
    def slices(self) -> tuple[slice, slice]:
        height, width = self.mask.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


class Board:
    """Takes object after object; each may lie on those before it."""

    def __init__(self, rules: SceneRules) -> None:
        self.labels = np.zeros((rules.size.height, rules.size.width), np.uint16)  # 1.. in order
        self._rules = rules
        self._areas: list[int] = []

    def place(self, shape: str, rng: np.random.Generator) -> Placed | None:
        """Find room for an object of this shape; None where there is none."""
        height, width = self.labels.shape
        for _ in range(_TRIES):
            length = float(rng.uniform(*_LENGTHS)) * self._rules.object_scale
            cutout = cut_out(shape, min(length, 0.7 * min(height, width)), rng)
            room = height - cutout.mask.shape[0], width - cutout.mask.shape[1]
            if min(room) < 0:
                continue
            top, left = (int(rng.integers(space + 1)) for space in room)
            placed = replace(cutout, top=top, left=left)
            crowd = self._rules.style is SceneStyle.CROWDED
            if self._fits_a_crowd(placed, rng) if crowd else not self._touches(placed):
                self._areas.append(int(placed.mask.sum()))
                self.labels[placed.slices][placed.mask] = len(self._areas)
                return placed
        return None

    def _touches(self, placed: Placed) -> bool:
        rows, columns = placed.slices
        around = (
            slice(max(0, rows.start - _GAP), rows.stop + _GAP),
            slice(max(0, columns.start - _GAP), columns.stop + _GAP),
        )
        others = Image.fromarray((self.labels[around] > 0).astype(np.uint8))
        near = np.asarray(others.filter(ImageFilter.MaxFilter(2 * _GAP + 1)))
        top, left = rows.start - around[0].start, columns.start - around[1].start
        height, width = placed.mask.shape
        return bool(near[top : top + height, left : left + width][placed.mask].any())

    def _fits_a_crowd(self, placed: Placed, rng: np.random.Generator) -> bool:
        after = self.labels.copy()
        after[placed.slices][placed.mask] = 0
        left = np.bincount(after.ravel(), minlength=len(self._areas) + 1)[1:]
        if (left < _KEPT * np.array(self._areas)).any():
            return False
        return not self._areas or self._touches(placed) or rng.random() < _ALONE


def cut_out(shape: str, length: float, rng: np.random.Generator) -> Placed:
    """A figure about `length` px long, stretched a little, turned, perhaps mirrored."""
    outlines = _OUTLINES[shape]
    side = length * FINER
    stretch = 1.0 if shape in ("circle", "square") else float(rng.uniform(0.9, 1.11))
    width, height = round(side * math.sqrt(stretch)), round(side / math.sqrt(stretch))
    fine = stamped(outlines[int(rng.integers(len(outlines)))], width, height)
    if rng.random() < 0.5:
        fine = fine.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    angle = float(rng.uniform(-1, 1) * _TURNS[shape])
    fine = fine.rotate(angle, Image.Resampling.BICUBIC, expand=True)
    fine = fine.point([0] * _HALF + [255] * (256 - _HALF))
    left, top = (int(start) for start in rng.integers(0, FINER, 2))
    padded = (
        math.ceil((fine.width + left) / FINER) * FINER,
        math.ceil((fine.height + top) / FINER) * FINER,
    )
    whole = Image.new("L", padded, 0)
    whole.paste(fine, (left, top))
    return Placed(whole, np.asarray(whole.reduce(FINER)) >= _HALF)
