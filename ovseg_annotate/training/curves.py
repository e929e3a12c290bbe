"""The curves of a run as a picture: the loss, its parts and the score over the steps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from ovseg_annotate.errors import RunError
from ovseg_annotate.refused_writes import explained
from ovseg_annotate.training.progress import Progress, read_log
from ovseg_annotate.vocabulary import Colour, colour_by_position
from ovseg_annotate.whole_files import whole_file

CURVES_FILE = "curves.png"

_WIDTH, _HEIGHT = 960, 540
_LEFT, _TOP, _RIGHT, _BOTTOM = 60, 20, 180, 40  # margins; the names stand on the right
_SCORES = 160  # height of the field below that shows the scores of a run that has some
_POINTS = 200  # a curve: each is the mean of the steps around it
_SMALLEST = 1e-6  # loss: what is below is drawn there
_INK, _PALE = (40, 40, 40), (225, 225, 225)

Curve = list[tuple[float, float]]  # (step, value)


@dataclass(frozen=True, slots=True)
class _Field:
    """A part of the picture with its own upward scale."""

    top: float
    bottom: float
    low: float
    high: float
    steps: int  # of the whole run: where the right edge is

    def place(self, step: float, value: float) -> tuple[float, float]:
        height = (value - self.low) / (self.high - self.low)
        across = step / self.steps
        return (
            _LEFT + across * (_WIDTH - _LEFT - _RIGHT),
            self.bottom - height * (self.bottom - self.top),
        )


def draw_curves(run_folder: Path) -> Path:
    """Draw the log of a run into its folder; losses on a logarithmic scale."""
    records = read_log(run_folder)
    if not records:
        raise RunError(f"no log in {run_folder} yet; name the folder of a run that has started")
    scores = _scores(records)
    image = Image.new("RGB", (_WIDTH, _HEIGHT), "white")
    draw = ImageDraw.Draw(image)
    bottom = _HEIGHT - _BOTTOM
    _draw_losses(draw, records, bottom - _SCORES if scores else bottom)
    if scores:
        _draw_scores(draw, scores, records[-1].steps)
    _draw_steps(draw, records[-1].steps)
    path = run_folder / CURVES_FILE
    with explained(path), whole_file(path) as file:
        image.save(file, "PNG")
    return path


def _scores(records: Iterable[Progress]) -> Curve:
    """Every measurement once, where it was made."""
    measured = {
        each.scored_at: each.score
        for each in records
        if each.scored_at is not None and each.score is not None and math.isfinite(each.score)
    }
    return sorted((float(step), score) for step, score in measured.items())


def _smoothed(points: Curve) -> Curve:
    size = math.ceil(len(points) / _POINTS)
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [
        (sum(step for step, _ in group) / len(group), sum(loss for _, loss in group) / len(group))
        for group in groups
    ]


def _draw_losses(draw: ImageDraw.ImageDraw, records: Sequence[Progress], bottom: int) -> None:
    curves = {"loss": _smoothed([(record.step, record.loss) for record in records])}
    for name in records[-1].losses:
        curves[name] = _smoothed(
            [(record.step, record.losses[name]) for record in records if name in record.losses]
        )
    values = [_logarithm(loss) for curve in curves.values() for _, loss in curve]
    low, high = min(values) - 0.05, max(values) + 0.05
    field = _Field(_TOP, bottom, low, high, records[-1].steps)
    _draw_scale(draw, field, {_logarithm(tick): f"{tick:g}" for tick in _ticks(low, high)})
    for number, (name, curve) in enumerate(curves.items()):
        colour: Colour = _INK if number == 0 else colour_by_position(number)
        draw.line(
            [field.place(step, _logarithm(loss)) for step, loss in curve], fill=colour, width=2
        )
        text = f"{name} {curve[-1][1]:.3f}"
        draw.text((_WIDTH - _RIGHT + 12, _TOP + 18 * number), text, fill=colour)


def _draw_scores(draw: ImageDraw.ImageDraw, scores: Curve, steps: int) -> None:
    """A dot a measurement, from 0 or the lowest to 1 or the highest."""
    values = [value for _, value in scores]
    bottom = _HEIGHT - _BOTTOM
    field = _Field(bottom - _SCORES + 24, bottom, min(0.0, *values), max(1.0, *values), steps)
    ticks = (field.low, (field.low + field.high) / 2, field.high)
    _draw_scale(draw, field, {value: f"{value:.2g}" for value in ticks})
    places = [field.place(step, value) for step, value in scores]
    draw.line(places, fill=_INK, width=1)
    for x, y in places:
        draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill=_INK)
    best = max(values)
    last = f"score {values[-1]:.3f}, best {best:.3f}"
    draw.text((_WIDTH - _RIGHT + 12, field.top), last, fill=_INK)


def _draw_scale(draw: ImageDraw.ImageDraw, field: _Field, ticks: Mapping[float, str]) -> None:
    for value, text in ticks.items():
        _, y = field.place(0, value)
        draw.line([(_LEFT, y), (_WIDTH - _RIGHT, y)], fill=_PALE)
        draw.text((_LEFT - 8, y), text, fill=_INK, anchor="rm")


def _draw_steps(draw: ImageDraw.ImageDraw, steps: int) -> None:
    for part in range(5):
        x = _LEFT + part / 4 * (_WIDTH - _LEFT - _RIGHT)
        draw.text((x, _HEIGHT - _BOTTOM + 8), f"{steps * part / 4:.0f}", fill=_INK, anchor="ma")


def _logarithm(loss: float) -> float:
    return math.log10(max(loss, _SMALLEST))


def _ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times the powers of ten between the two logarithms."""
    powers = range(math.floor(low), math.ceil(high) + 1)
    ticks = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    return [tick for tick in ticks if low <= math.log10(tick) <= high]
