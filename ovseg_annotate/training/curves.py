"""The curves of a run as a picture: the whole loss and its parts over the steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from ovseg_annotate.errors import RunError
from ovseg_annotate.training.progress import Progress, read_log
from ovseg_annotate.vocabulary import Colour, colour_by_position

CURVES_FILE = "curves.png"

_WIDTH, _HEIGHT = 960, 540
_LEFT, _TOP, _RIGHT, _BOTTOM = 60, 20, 180, 40  # margins; the names stand on the right
_POINTS = 200  # a curve: each is the mean of the steps around it
_INK, _PALE = (40, 40, 40), (225, 225, 225)

Curve = list[tuple[float, float]]  # (step, loss)


def draw_curves(run_folder: Path) -> Path:
    """Draw the log of a run into its folder; losses on a logarithmic scale."""
    records = read_log(run_folder)
    if not records:
        raise RunError(f"no log in {run_folder} yet; name the folder of a run that has started")
    curves = {"loss": _smoothed([(record.step, record.loss) for record in records])}
    for name in records[-1].losses:
        curves[name] = _smoothed(
            [(record.step, record.losses[name]) for record in records if name in record.losses]
        )
    image = Image.new("RGB", (_WIDTH, _HEIGHT), "white")
    _draw(ImageDraw.Draw(image), curves, records)
    path = run_folder / CURVES_FILE
    image.save(path)
    return path


def _smoothed(points: Curve) -> Curve:
    size = math.ceil(len(points) / _POINTS)
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [
        (sum(step for step, _ in group) / len(group), sum(loss for _, loss in group) / len(group))
        for group in groups
    ]


def _draw(draw: ImageDraw.ImageDraw, curves: dict[str, Curve], records: Sequence[Progress]) -> None:
    values = [max(loss, 1e-6) for curve in curves.values() for _, loss in curve]
    low, high = math.log10(min(values)), math.log10(max(values))
    low, high = low - 0.05, high + 0.05
    steps = records[-1].steps

    def place(step: float, loss: float) -> tuple[float, float]:
        height = (math.log10(max(loss, 1e-6)) - low) / (high - low)
        across = step / steps
        return (
            _LEFT + across * (_WIDTH - _LEFT - _RIGHT),
            _HEIGHT - _BOTTOM - height * (_HEIGHT - _TOP - _BOTTOM),
        )

    for tick in _ticks(low, high):
        _, y = place(0, tick)
        draw.line([(_LEFT, y), (_WIDTH - _RIGHT, y)], fill=_PALE)
        draw.text((_LEFT - 8, y), f"{tick:g}", fill=_INK, anchor="rm")
    for part in range(5):
        x, _ = place(steps * part / 4, 1.0)
        draw.text((x, _HEIGHT - _BOTTOM + 8), f"{steps * part / 4:.0f}", fill=_INK, anchor="ma")
    for number, (name, curve) in enumerate(curves.items()):
        colour: Colour = _INK if number == 0 else colour_by_position(number)
        draw.line([place(step, loss) for step, loss in curve], fill=colour, width=2)
        text = f"{name} {curve[-1][1]:.3f}"
        draw.text((_WIDTH - _RIGHT + 12, _TOP + 18 * number), text, fill=colour)


def _ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times the powers of ten between the two logarithms."""
    powers = range(math.floor(low), math.ceil(high) + 1)
    ticks = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    return [tick for tick in ticks if low <= math.log10(tick) <= high]
