"""What lies behind the objects, drawn at four times the size."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from ovseg_annotate.datasets.second_scenes.colours import Colour, shade_of

# (width, height, random) -> a picture of that size.
_Material: TypeAlias = Callable[[int, int, np.random.Generator], Image.Image]
_Random: TypeAlias = np.random.Generator


def material(word: str, width: int, height: int, rng: _Random) -> Image.Image:
    return _MATERIALS[word](width, height, rng)


def plain_ground(colour: Colour, width: int, height: int, rng: _Random) -> Image.Image:
    """One colour, a little lighter towards one side."""
    ramp = Image.linear_gradient("L").resize((width, height))
    if rng.random() < 0.5:
        ramp = ramp.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    change = float(rng.uniform(0.0, 0.08))
    return Image.composite(
        Image.new("RGB", (width, height), shade_of(colour, change)),
        Image.new("RGB", (width, height), shade_of(colour, -change)),
        ramp,
    )


def _near(colour: Colour, spread: float, rng: _Random) -> Colour:
    """Lighter or darker, in the same hue."""
    return shade_of(colour, float(np.clip(rng.normal(0, spread), -0.6, 0.6)))


def _one_of(colours: tuple[Colour, ...], rng: _Random) -> Colour:
    return colours[int(rng.integers(len(colours)))]


def _speckled(image: Image.Image, strength: float, rng: _Random) -> Image.Image:
    """Grain that is about one pixel wide once the picture is reduced."""
    grain = rng.normal(0, strength, (math.ceil(image.height / 3), math.ceil(image.width / 3)))
    levels = np.clip(grain + 128, 0, 255).astype(np.uint8)
    wide = np.asarray(Image.fromarray(levels).resize(image.size), np.int16) - 128
    pixels = np.asarray(image, np.int16) + wide[..., None]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _grass(width: int, height: int, rng: _Random) -> Image.Image:
    base = _one_of(((74, 124, 40), (92, 142, 52), (60, 108, 44)), rng)
    image = Image.new("RGB", (width, height), base)
    pen = ImageDraw.Draw(image)
    for _ in range(width * height // 70):
        x, y = rng.uniform(0, width), rng.uniform(0, height + 20)
        lean, length = rng.normal(0, 5), rng.uniform(12, 28)
        pen.line((x, y, x + lean, y - length), fill=_near(base, 0.24, rng), width=2)
    return image


def _sky(width: int, height: int, rng: _Random) -> Image.Image:
    top = _one_of(((70, 138, 214), (98, 164, 230), (52, 116, 198)), rng)
    ramp = Image.linear_gradient("L").resize((width, height))
    image = Image.composite(
        Image.new("RGB", (width, height), shade_of(top, float(rng.uniform(0.4, 0.65)))),
        Image.new("RGB", (width, height), top),
        ramp,
    )
    haze = Image.new("L", (width, height), 0)
    pen = ImageDraw.Draw(haze)
    for _ in range(int(rng.integers(0, 4))):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        long, flat = rng.uniform(0.2, 0.5) * width, rng.uniform(0.01, 0.03) * height
        pen.ellipse((x - long, y - flat, x + long, y + flat), fill=int(rng.integers(50, 110)))
    haze = haze.filter(ImageFilter.GaussianBlur(10))
    image.paste((255, 255, 255), (0, 0), haze)
    return image


def _sand(width: int, height: int, rng: _Random) -> Image.Image:
    base = _one_of(((218, 190, 138), (206, 176, 124), (230, 206, 160)), rng)
    image = Image.new("RGB", (width, height), base)
    pen = ImageDraw.Draw(image)
    lift, period, turn = rng.uniform(3, 7), rng.uniform(90, 160), rng.uniform(0, 6.3)
    for row in range(-10, height + 10, int(rng.integers(26, 40))):
        ripple = [
            (x, row + lift * math.sin(x / period * 6.3 + turn + row / 60))
            for x in range(0, width + 8, 8)
        ]
        pen.line(ripple, fill=shade_of(base, -0.1), width=5)
    return _speckled(image.filter(ImageFilter.GaussianBlur(2)), 22, rng)


def _water(width: int, height: int, rng: _Random) -> Image.Image:
    base = _one_of(((28, 96, 150), (34, 116, 160), (30, 84, 126)), rng)
    image = Image.new("RGB", (width, height), base)
    pen = ImageDraw.Draw(image)
    for _ in range(width * height // 900):
        x, y = rng.uniform(-30, width), rng.uniform(0, height)
        long, high = rng.uniform(24, 70), rng.uniform(4, 9)
        tone = shade_of(base, float(rng.choice([-0.25, 0.2, 0.35, 0.55], p=[0.3, 0.35, 0.25, 0.1])))
        pen.arc((x, y, x + long, y + high * 2), 200, 340, fill=tone, width=4)
    return image.filter(ImageFilter.GaussianBlur(1.5))


def _wood(width: int, height: int, rng: _Random) -> Image.Image:
    base = _one_of(((158, 108, 62), (136, 88, 50), (180, 132, 84)), rng)
    image = Image.new("RGB", (width, height), base)
    pen = ImageDraw.Draw(image)
    plank = int(rng.integers(60, 100))
    for top in range(0, height, plank):
        tone = _near(base, 0.08, rng)
        pen.rectangle((0, top, width, top + plank), fill=tone)
        for _ in range(8):
            y, sway, turn = top + rng.uniform(6, plank - 4), rng.uniform(1, 5), rng.uniform(0, 6.3)
            grain = [(x, y + sway * math.sin(x / 70 + turn)) for x in range(0, width + 12, 12)]
            pen.line(grain, fill=shade_of(tone, -0.16), width=2)
        pen.line((0, top, width, top), fill=shade_of(base, -0.55), width=5)
        seam = rng.uniform(0, width)
        pen.line((seam, top, seam, top + plank), fill=shade_of(base, -0.5), width=4)
    return (
        image.transpose(Image.Transpose.ROTATE_90).resize((width, height))
        if (rng.random() < 0.3)
        else image
    )


def _brick(width: int, height: int, rng: _Random) -> Image.Image:
    base = _one_of(((166, 72, 52), (148, 62, 46), (180, 88, 66)), rng)
    image = Image.new("RGB", (width, height), (206, 198, 186))
    pen = ImageDraw.Draw(image)
    long, high, joint = int(rng.integers(76, 104)), int(rng.integers(30, 40)), 6
    for row, top in enumerate(range(-5, height, high + joint)):
        for left in range(-(long // 2) * (row % 2) - 9, width, long + joint):
            tone = _near(base, 0.1, rng)
            pen.rectangle((left, top, left + long, top + high), fill=tone)
    return _speckled(image, 9, rng)


def _snow(width: int, height: int, rng: _Random) -> Image.Image:
    image = Image.new("RGB", (width, height), (240, 244, 250))
    pen = ImageDraw.Draw(image)
    for _ in range(max(3, width * height // 12000)):
        x, y = rng.uniform(-60, width), rng.uniform(0, height)
        long, high = rng.uniform(60, 180), rng.uniform(10, 30)
        pen.ellipse((x, y, x + long, y + high), fill=(208, 220, 238))
    image = image.filter(ImageFilter.GaussianBlur(9))
    pen = ImageDraw.Draw(image)
    for _ in range(width * height // 1800):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        pen.ellipse((x, y, x + 4, y + 4), fill=(255, 255, 255))
    return _speckled(image, 5, rng)


def _road(width: int, height: int, rng: _Random) -> Image.Image:
    level = int(rng.integers(66, 96))
    image = _speckled(Image.new("RGB", (width, height), (level, level, level + 3)), 20, rng)
    pen = ImageDraw.Draw(image)
    paint = _one_of(((226, 226, 220), (226, 190, 70)), rng)
    y, thick = rng.uniform(0.15, 0.85) * height, rng.uniform(8, 14)
    dash = int(rng.integers(60, 110))
    for left in range(int(rng.integers(-dash, 0)), width, round(dash * 1.7)):
        pen.rectangle((left, y, left + dash, y + thick), fill=paint)
    return image


def _fabric(width: int, height: int, rng: _Random) -> Image.Image:
    base = _one_of(
        ((150, 66, 80), (72, 92, 128), (190, 176, 150), (96, 120, 92), (122, 96, 136)), rng
    )
    image = Image.new("RGB", (width, height), shade_of(base, -0.3))
    pen = ImageDraw.Draw(image)
    thread = int(rng.integers(10, 15))
    for row, top in enumerate(range(0, height, thread)):
        for column, left in enumerate(range(0, width, thread)):
            if (row + column) % 2:
                spot = (left + 1, top + 2, left + thread - 1, top + thread - 3)
                pen.rectangle(spot, fill=_near(shade_of(base, 0.12), 0.05, rng))
            else:
                spot = (left + 2, top + 1, left + thread - 3, top + thread - 1)
                pen.rectangle(spot, fill=_near(base, 0.05, rng))
    return image


def _stone(width: int, height: int, rng: _Random) -> Image.Image:
    base = _one_of(((148, 146, 142), (130, 128, 130), (160, 152, 142)), rng)
    image = Image.new("RGB", (width, height), shade_of(base, -0.62))
    pen = ImageDraw.Draw(image)
    step = int(rng.integers(50, 72))
    for row, top in enumerate(range(-step, height + step, round(step * 0.82))):
        for left in range(-step + step // 2 * (row % 2), width + step, step):
            x, y = left + rng.normal(0, 3), top + rng.normal(0, 3)
            long, high = step * rng.uniform(0.82, 0.97), step * rng.uniform(0.66, 0.78)
            tone = _near(base, 0.13, rng)
            pen.rounded_rectangle((x, y, x + long, y + high), radius=high * 0.42, fill=tone)
    return _speckled(image.filter(ImageFilter.GaussianBlur(1.5)), 10, rng)


_MATERIALS: Mapping[str, _Material] = MappingProxyType(
    {
        "grass": _grass,
        "sky": _sky,
        "sand": _sand,
        "water": _water,
        "wood": _wood,
        "brick": _brick,
        "snow": _snow,
        "road": _road,
        "fabric": _fabric,
        "stone": _stone,
    }
)
