"""One scene from its rules and a seed."""

from __future__ import annotations

import numpy as np

from ovseg_annotate.datasets.scenes.camera import photographed
from ovseg_annotate.datasets.scenes.grounds import draw_grounds
from ovseg_annotate.datasets.scenes.microscopy import draw_microscopy
from ovseg_annotate.datasets.scenes.objects import (
    ObjectRules,
    add_crowd,
    add_objects,
    add_rivals,
    colours_for,
)
from ovseg_annotate.datasets.scenes.paint import to_grey
from ovseg_annotate.datasets.scenes.phrases import caption_of
from ovseg_annotate.datasets.scenes.scene import Scene, SceneRules, SceneStyle

_DIAMETERS = {
    SceneStyle.EASY: (22.0, 48.0),
    SceneStyle.DISTRACTORS: (20.0, 36.0),
    SceneStyle.CROWDED: (18.0, 44.0),
}
_TINY = (10.0, 18.0)
_HUGE = (48.0, 84.0)
_ODD_SIZE_SHARE = 0.08  # of the MIXED pictures, each of tiny and huge


def draw_scene(rules: SceneRules, seed: int) -> Scene:
    """The same rules and seed give the same bytes."""
    rng = np.random.Generator(np.random.PCG64(seed))
    style = rules.style
    if style is SceneStyle.MIXED:
        style = _drawn_style(rules, rng)
    if style is SceneStyle.MICROSCOPY:
        return draw_microscopy(rules, rng)
    return _draw_objects(rules, style, rng)


def _drawn_style(rules: SceneRules, rng: np.random.Generator) -> SceneStyle:
    if rng.random() < rules.microscopy_share:
        return SceneStyle.MICROSCOPY
    if rng.random() < rules.easy_share:
        return SceneStyle.EASY
    return SceneStyle.DISTRACTORS if rng.random() < 0.4 else SceneStyle.CROWDED


def _draw_objects(rules: SceneRules, style: SceneStyle, rng: np.random.Generator) -> Scene:
    grey = rng.random() < rules.grey_share
    board = draw_grounds(rules.size, rng, grey=grey)
    objects = ObjectRules(
        rules.pairs,
        colours_for(grey=grey),
        _diameters(rules, style, rng),
        texture_scale=max(1.0, rules.object_scale),
    )
    times = rules.pictures_worth
    if style is SceneStyle.EASY:
        add_objects(board, int(rng.integers(1, 4)) * times, objects, rng)
    elif style is SceneStyle.DISTRACTORS:
        for _ in range(times):
            add_rivals(board, int(rng.integers(2, 5)), objects, rng)
    else:
        add_crowd(board, int(rng.integers(4, 10)) * times, objects, rng)
    canvas = to_grey(board.canvas) if grey else board.canvas
    regions = board.regions()
    return Scene(
        photographed(canvas, rng),
        board.instances,
        regions,
        caption_of([one.attributes for one in regions], rng),
    )


def _diameters(
    rules: SceneRules, style: SceneStyle, rng: np.random.Generator
) -> tuple[float, float]:
    low, high = _DIAMETERS[style]
    if rules.style is SceneStyle.MIXED:
        odd = rng.random()
        if odd < _ODD_SIZE_SHARE:
            low, high = _TINY
        elif odd < 2 * _ODD_SIZE_SHARE:
            low, high = _HUGE
    largest = 0.9 * min(rules.size.height, rules.size.width)
    return min(low * rules.object_scale, largest), min(high * rules.object_scale, largest)
