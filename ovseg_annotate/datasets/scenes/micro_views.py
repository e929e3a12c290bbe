"""How a slide looks: fluorescence, stained tissue, plain transmitted light."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageFilter

from ovseg_annotate.datasets.scenes.camera import blurred, with_grain
from ovseg_annotate.datasets.scenes.micro_slide import Slide
from ovseg_annotate.datasets.scenes.noise import Field, noise, slope
from ovseg_annotate.datasets.scenes.paint import Canvas, Rgb, blend
from ovseg_annotate.geometry import Size

_DYES: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {
        "green": (0.15, 1.0, 0.25),
        "blue": (0.2, 0.35, 1.0),
        "red": (1.0, 0.15, 0.12),
        "cyan": (0.1, 0.95, 1.0),
        "orange": (1.0, 0.55, 0.08),
    }
)

# Few sizes, because each one is a noise picture that is kept.
_GRAINS = (0.8, 1.2, 2.4)
_FIBRES = ((1.2, 1.2), (2.4, 2.4), (1.2, 5.0), (5.0, 1.2))


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A slide as seen; colours name only what has a colour."""

    canvas: Canvas
    ground: str
    ground_colour: str | None
    colours: Mapping[str, str]  # thing -> colour word


def fluorescent(slide: Slide, rng: np.random.Generator) -> View:
    """Bright on dark: grey, or each kind in the colour of its dye; often very dim."""
    size = slide.size
    colours = {} if rng.random() < 0.55 else _dyes_of(slide, rng)
    dimmest = 0.35 if colours else 0.16  # a dim blue is nothing at all to the eye
    gain = float(np.exp(rng.uniform(np.log(dimmest), np.log(1.0))))
    level = rng.uniform(0.0, 0.09) * (0.4 + 0.6 * gain)
    unevenness = 0.3 * noise(size, rng, 16.0, 16.0) + rng.uniform(-0.5, 0.5) * slope(size, rng)
    haze = level * (1 + unevenness)
    light = np.repeat(np.maximum(haze, 0)[..., None], 3, axis=2).astype(np.float32)
    for thing in dict.fromkeys(slide.things):
        dye = np.array(_DYES[colours[thing]] if thing in colours else (1, 1, 1), np.float32)
        faint = 0.45 if thing == "cell" else 1.0
        glow = _glow(slide, thing, rng) * np.float32(gain * faint)
        light += dye * glow[..., None]
    light = blurred(light, rng.uniform(0.0, 1.0)) if rng.random() < 0.5 else light
    grain = rng.uniform(0.0, 0.05) * (0.25 + 0.75 * gain)
    return View(with_grain(light, grain, rng), "dark background", "black", colours)


def _dyes_of(slide: Slide, rng: np.random.Generator) -> dict[str, str]:
    """Two kinds never share a dye; nuclei are most often blue."""
    dyes = [str(name) for name in rng.permutation(list(_DYES))]
    if rng.random() < 0.5:
        dyes.sort(key=lambda name: name == "blue")
    if "nucleus" in slide.things and rng.random() < 0.6:
        dyes.sort(key=lambda name: name != "blue")
    kinds = sorted(dict.fromkeys(slide.things), key=lambda thing: thing != "nucleus")
    return dict(zip(kinds, dyes, strict=False))


def _glow(slide: Slide, thing: str, rng: np.random.Generator) -> Field:
    """How brightly one kind of body shines at each pixel."""
    count = len(slide.things)
    even = rng.uniform(0.5, 1.0)
    strengths = np.clip(rng.uniform(even, 1.0, count), 0, 1)
    sharp = slide.coverage(thing, strengths)
    softness = rng.uniform(0.3, 1.3)
    glow = _field(sharp.filter(ImageFilter.GaussianBlur(softness)))
    if thing == "bead":
        # A coated sphere shines at its shell, a dyed one in its middle.
        inner = _field(sharp.filter(ImageFilter.GaussianBlur(1.6)))
        return glow * (1.3 - 1.1 * inner) if rng.random() < 0.7 else glow * (0.1 + 0.9 * inner**2)
    if thing in ("nucleus", "cell"):
        grain = float(rng.choice(_GRAINS))
        mottle = rng.uniform(0.05, 0.3) * noise(slide.size, rng, grain, grain)
        glow = glow * np.clip(1 + mottle, 0, 2)
    if rng.random() < 0.5:
        halo = _field(sharp.filter(ImageFilter.GaussianBlur(6)))
        glow = glow + np.float32(rng.uniform(0.03, 0.2)) * halo
    return glow


def stained(slide: Slide, rng: np.random.Generator) -> View:
    """Purple nuclei and pink cells on tissue or on a pale slide."""
    size = slide.size
    on_glass = rng.random() < 0.35
    canvas = _pale_glass(size, rng) if on_glass else _tissue(size, rng)
    nucleus = _between((0.26, 0.1, 0.42), (0.5, 0.22, 0.66), rng)
    inks = {
        "cell": _between((0.86, 0.55, 0.7), (0.8, 0.62, 0.85), rng),
        "nucleus": nucleus,
        "bacterium": nucleus,
        "filament": _between((0.75, 0.2, 0.42), (0.85, 0.35, 0.55), rng),
        "bead": _between((0.5, 0.3, 0.1), (0.62, 0.42, 0.2), rng),
    }
    colours = {"cell": "pink", "nucleus": "purple", "bacterium": "purple"}
    _lay_inks(canvas, slide, inks, rng)
    canvas = blurred(canvas, rng.uniform(0.2, 1.0))
    view = with_grain(canvas, rng.uniform(0, 0.03), rng)
    return View(view, "bright field" if on_glass else "tissue", None, _present(colours, slide))


def transmitted(slide: Slide, rng: np.random.Generator) -> View:
    """Dark on bright without dye: grey or faintly yellow, bodies half transparent."""
    size = slide.size
    bright = _between((0.72, 0.72, 0.72), (0.95, 0.95, 0.95), rng)
    if rng.random() < 0.25:
        bright = bright * _between((1.0, 0.97, 0.85), (0.92, 0.98, 1.0), rng)
    uneven = 1 + 0.02 * noise(size, rng, 16.0, 16.0) - rng.uniform(0, 0.2) * slope(size, rng)
    canvas = bright * uneven[..., None].astype(np.float32)
    body = bright * np.float32(rng.uniform(0.2, 0.55))
    inks = dict.fromkeys(("nucleus", "filament", "bacterium"), body)
    inks["cell"] = bright * np.float32(rng.uniform(0.68, 0.86))
    inks["bead"] = bright * np.float32(rng.uniform(0.25, 0.5))
    _lay_inks(canvas, slide, inks, rng)
    canvas = blurred(canvas, rng.uniform(0.2, 1.0))
    return View(with_grain(canvas, rng.uniform(0, 0.03), rng), "bright field", None, {})


def _lay_inks(
    canvas: Canvas, slide: Slide, inks: Mapping[str, Rgb], rng: np.random.Generator
) -> None:
    for thing in dict.fromkeys(slide.things):
        weakest = rng.uniform(0.6, 0.95)
        strengths = rng.uniform(weakest, 1.0, len(slide.things))
        sharp = slide.coverage(thing, strengths)
        share = _field(sharp.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.7))))
        inner = _field(sharp.filter(ImageFilter.GaussianBlur(2.0)))
        if thing == "bead":
            # Glass in transmitted light: a dark shell around a bright core.
            share = share * np.clip(1.9 - 1.6 * inner, 0.1, 1)
        elif rng.random() < 0.45:
            # Chromatin or membrane at the border, paler within.
            share = share * np.clip(1.35 - rng.uniform(0.3, 0.7) * inner, 0.3, 1)
        if thing in ("nucleus", "cell"):
            grain = float(rng.choice(_GRAINS))
            share = share * (1 + rng.uniform(0.03, 0.16) * noise(slide.size, rng, grain, grain))
        blend(canvas, inks[thing], np.clip(share, 0, 1, dtype=np.float32))


def _tissue(size: Size, rng: np.random.Generator) -> Canvas:
    """Pink to lilac with fibres and pale gaps."""
    base = _between((0.9, 0.68, 0.8), (0.7, 0.62, 0.84), rng)
    down, across = _FIBRES[int(rng.integers(len(_FIBRES)))]
    fibres = noise(size, rng, down, across) * np.float32(rng.uniform(0.01, 0.05))
    shade = fibres + 0.05 * noise(size, rng, 8.0, 8.0)
    canvas: Canvas = base * (1 + shade)[..., None]
    gaps = np.clip(noise(size, rng, 8.0, 16.0) * 0.5 - rng.uniform(0.3, 1.0), 0, 0.6)
    blend(canvas, np.array([0.93, 0.89, 0.93], np.float32), gaps)
    return canvas


def _pale_glass(size: Size, rng: np.random.Generator) -> Canvas:
    base = _between((0.8, 0.84, 0.82), (0.93, 0.89, 0.88), rng)
    smears = 0.025 * noise(size, rng, 5.0, 5.0) + 0.012 * noise(size, rng, 1.2, 1.2)
    canvas: Canvas = base * (1 + smears)[..., None]
    return canvas


def _between(
    low: tuple[float, float, float], high: tuple[float, float, float], rng: np.random.Generator
) -> Rgb:
    """A colour on the way from one to the other, with a little of its own."""
    share = rng.random()
    mixed = np.array(low) * (1 - share) + np.array(high) * share + rng.normal(0, 0.02, 3)
    return np.clip(mixed, 0, 1).astype(np.float32)


def _present(colours: Mapping[str, str], slide: Slide) -> Mapping[str, str]:
    return {thing: colour for thing, colour in colours.items() if thing in slide.things}


def _field(picture: Image.Image) -> Field:
    return np.asarray(picture, np.float32) / np.float32(255)
