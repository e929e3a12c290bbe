"""What lies on a microscope slide, without light: outlines turned into labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ovseg_annotate.datasets.scenes.micro_bodies import (
    Body,
    Floats,
    Seats,
    blobs,
    draw_seats,
    rods,
    threads,
)
from ovseg_annotate.datasets.scenes.scene import SceneRules
from ovseg_annotate.geometry import Size

Filling: TypeAlias = Callable[[SceneRules, np.random.Generator], list[Body]]

_SAMPLES = 3  # odd, so that a pixel's centre is one of its samples
_SMALLEST_AREA = 6
_MUST_REMAIN = 0.4  # of what a body would show if it lay alone
_MOST_BODIES = 60  # in one small picture
_MOST_LABELS = 30_000  # of one kind, so that two kinds fit into 16 bits


@dataclass(frozen=True, slots=True, eq=False)
class Slide:
    size: Size
    things: tuple[str, ...]  # of label 1, 2, ...
    sheet: Image.Image  # labels with _SAMPLES x _SAMPLES samples a pixel, 0 = ground

    @property
    def labels(self) -> NDArray[np.uint16]:
        return _at_centres(self.sheet).astype(np.uint16)

    def coverage(self, thing: str, strengths: Floats) -> Image.Image:
        """An 8-bit picture of one kind of body; strengths (0 to 1) are one a label."""
        table = np.zeros(len(self.things) + 1, np.uint8)
        chosen = [index for index, name in enumerate(self.things) if name == thing]
        table[[index + 1 for index in chosen]] = np.round(strengths[chosen] * 255)
        return _looked_up(self.sheet, table).reduce(_SAMPLES)


def _at_centres(sheet: Image.Image) -> NDArray[np.generic]:
    middle = _SAMPLES // 2
    return np.asarray(sheet)[middle::_SAMPLES, middle::_SAMPLES]


def _looked_up(sheet: Image.Image, table: NDArray[np.generic]) -> Image.Image:
    """The sheet with each label replaced by its entry in the table."""
    if sheet.mode == "L":
        # Pillow's own lookup: numpy would widen every sample to an index of eight bytes.
        return sheet.point([*table.tolist(), *[0] * (256 - len(table))])
    return Image.fromarray(np.take(table, np.asarray(sheet)))


def laid_out(size: Size, bodies: Sequence[Body]) -> Slide:
    """Later bodies lie on earlier ones; what nearly vanishes is taken away again."""
    mode = "L" if len(bodies) < 256 else "I"
    sheet = Image.new(mode, (size.width * _SAMPLES, size.height * _SAMPLES))
    pen = ImageDraw.Draw(sheet)
    for label, body in enumerate(bodies, start=1):
        pen.polygon((body.points * _SAMPLES - 0.5).ravel().tolist(), fill=label)
    visible = np.bincount(_at_centres(sheet).ravel(), minlength=len(bodies) + 1)[1:]
    whole = np.array([_area(body.points) for body in bodies])
    kept = visible >= np.maximum(_SMALLEST_AREA, _MUST_REMAIN * whole)
    kept &= visible > 0
    things = tuple(body.thing for body, stays in zip(bodies, kept, strict=True) if stays)
    if not kept.all():
        table = np.zeros(len(bodies) + 1, np.int32)
        table[1:][kept] = np.arange(1, len(things) + 1)
        sheet = _looked_up(sheet, table)
    return Slide(size, things, sheet)


def _area(points: Floats) -> float:
    x, y = points[:, 0], points[:, 1]
    closing = x[-1] * y[0] - x[0] * y[-1]
    return abs(float(x[:-1] @ y[1:] - x[1:] @ y[:-1] + closing)) / 2


def nuclei(rules: SceneRules, rng: np.random.Generator) -> list[Body]:
    radius = float(np.exp(rng.uniform(np.log(3.2), np.log(19)))) * rules.object_scale
    seats = _seats(rules, rng, radius, share=rng.uniform(0.06, 0.45), spacing=rng.uniform(0.8, 1.2))
    return blobs("nucleus", seats, rng, roughness=rng.uniform(0.03, 0.2), longest=_longest(rng))


def cells(rules: SceneRules, rng: np.random.Generator) -> list[Body]:
    """Cell bodies, each with its nucleus inside."""
    radius = rng.uniform(9, 24) * rules.object_scale
    seats = _seats(rules, rng, radius, share=rng.uniform(0.25, 0.8), spacing=rng.uniform(0.75, 1.1))
    around = blobs("cell", seats, rng, roughness=rng.uniform(0.08, 0.3), longest=1.6)
    share = rng.uniform(0.22, 0.5)
    count = len(seats.radii)
    shift = rng.normal(0, 0.12, (count, 2)) * seats.radii[:, None]
    radii = np.maximum(seats.radii * share * rng.uniform(0.85, 1.15, count), 2.2)
    inner = Seats(seats.centres + shift, radii)
    return around + blobs("nucleus", inner, rng, roughness=0.06, longest=1.5)


def filaments(rules: SceneRules, rng: np.random.Generator) -> list[Body]:
    width = rng.uniform(1.6, 3.4) * rules.object_scale
    return threads(rules.size, int(rng.integers(3, 9)) * rules.pictures_worth, width, rng)


def bacteria(rules: SceneRules, rng: np.random.Generator) -> list[Body]:
    width = rng.uniform(2.8, 7) * rules.object_scale
    half = width * rng.uniform(1.4, 2.6)
    seats = _seats(rules, rng, half, share=rng.uniform(0.15, 0.6), spacing=rng.uniform(0.55, 0.9))
    return rods("bacterium", seats, rng, width)


def beads(rules: SceneRules, rng: np.random.Generator) -> list[Body]:
    radius = rng.uniform(3.2, 8) * rules.object_scale
    seats = _seats(rules, rng, radius, share=rng.uniform(0.06, 0.4), spacing=1.05, spread=0.04)
    return blobs("bead", seats, rng, roughness=0.0, longest=1.0)


FILLINGS: Mapping[str, Filling] = MappingProxyType(
    {
        "nucleus": nuclei,
        "cell": cells,
        "filament": filaments,
        "bacterium": bacteria,
        "bead": beads,
    }
)


def _longest(rng: np.random.Generator) -> float:
    return 1.25 if rng.random() < 0.4 else rng.uniform(1.4, 2.6)


def _seats(
    rules: SceneRules,
    rng: np.random.Generator,
    radius: float,
    share: float,
    spacing: float,
    spread: float = 0.2,
) -> Seats:
    """Seats for bodies of about one radius that together cover about this share."""
    wanted = share * rules.size.area / (np.pi * radius**2)
    most = min(_MOST_BODIES * rules.pictures_worth, _MOST_LABELS)
    count = int(np.clip(wanted, 1, most))
    radii = radius * np.clip(rng.normal(1, spread, count), 0.6, 1.5)
    return draw_seats(rules.size, rng, radii, spacing, clumped=bool(rng.random() < 0.25))
