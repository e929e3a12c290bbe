"""Pictures as from a microscope: one or two kinds of things, seen by one of three methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from ovseg_annotate.datasets.scenes.camera import to_bytes
from ovseg_annotate.datasets.scenes.micro_slide import FILLINGS, Slide, laid_out
from ovseg_annotate.datasets.scenes.micro_views import View, fluorescent, stained, transmitted
from ovseg_annotate.datasets.scenes.paint import to_grey
from ovseg_annotate.datasets.scenes.phrases import caption_of, name_of
from ovseg_annotate.datasets.scenes.scene import Attributes, Scene, SceneRegion, SceneRules


class Method(StrEnum):
    FLUORESCENCE = "fluorescence"
    STAIN = "stain"
    TRANSMITTED = "transmitted"


Viewer: TypeAlias = Callable[[Slide, np.random.Generator], View]

_VIEWERS: Mapping[Method, Viewer] = MappingProxyType(
    {
        Method.FLUORESCENCE: fluorescent,
        Method.STAIN: stained,
        Method.TRANSMITTED: transmitted,
    }
)

_METHOD_SHARES = (0.5, 0.28, 0.22)
# How often each kind is the main one: nucleus, cell, filament, bacterium, bead.
_KIND_SHARES: Mapping[Method, tuple[float, ...]] = MappingProxyType(
    {
        Method.FLUORESCENCE: (0.46, 0.18, 0.13, 0.11, 0.12),
        Method.STAIN: (0.6, 0.28, 0.03, 0.07, 0.02),
        Method.TRANSMITTED: (0.12, 0.36, 0.14, 0.2, 0.18),
    }
)
_SECOND_KIND_SHARE = 0.22
_GREY_SHARE = 0.2


def draw_microscopy(rules: SceneRules, rng: np.random.Generator) -> Scene:
    method = list(Method)[int(rng.choice(3, p=_METHOD_SHARES))]
    slide = _draw_slide(rules, method, rng)
    view = _VIEWERS[method](slide, rng)
    grey = rng.random() < _GREY_SHARE
    canvas = to_grey(view.canvas) if grey else view.canvas
    ground = Attributes(colour=view.ground_colour, thing=view.ground)
    bodies = (
        Attributes(colour=None if grey else view.colours.get(thing), thing=thing)
        for thing in slide.things
    )
    # Labels of the slide start at 1 for the first body; the ground takes 1 and moves them up.
    regions = tuple(
        SceneRegion(label, attributes, name_of(attributes))
        for label, attributes in enumerate((ground, *bodies), start=1)
    )
    instances = slide.labels + np.uint16(1)
    return Scene(
        to_bytes(canvas), instances, regions, caption_of([one.attributes for one in regions], rng)
    )


def _draw_slide(rules: SceneRules, method: Method, rng: np.random.Generator) -> Slide:
    kinds = list(FILLINGS)
    first = kinds[int(rng.choice(len(kinds), p=_KIND_SHARES[method]))]
    bodies = FILLINGS[first](rules, rng)
    if rng.random() < _SECOND_KIND_SHARE:
        # Cells would bury what is there, so they are never the second kind.
        others = [kind for kind in kinds if kind not in (first, "cell")]
        bodies += FILLINGS[str(rng.choice(others))](rules, rng)
    return laid_out(rules.size, bodies)
