"""The scenes that models are judged on: fixed before any training, never trained on.

Their seeds lie below a million; a training takes its seeds from far above.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from ovseg_annotate.datasets.scenes.compose import draw_scene
from ovseg_annotate.datasets.scenes.scene import Pairs, Scene, SceneRules, SceneStyle
from ovseg_annotate.errors import OptionError
from ovseg_annotate.geometry import Size

SCENES_IN_A_SET = 10_000


class HeldOut(StrEnum):
    EASY = "easy"
    DISTRACTORS = "distractors"
    CROWDED = "crowded"
    MICROSCOPY = "microscopy"
    LARGE = "large"  # four times the area, objects as large as ever
    LARGE_TWICE = "large-twice"  # four times the area, objects twice as large


_SMALL, _LARGE = Size(height=96, width=96), Size(height=192, width=192)

_RULES: Mapping[HeldOut, SceneRules] = MappingProxyType(
    {
        HeldOut.EASY: SceneRules(SceneStyle.EASY, _SMALL),
        HeldOut.DISTRACTORS: SceneRules(SceneStyle.DISTRACTORS, _SMALL),
        HeldOut.CROWDED: SceneRules(SceneStyle.CROWDED, _SMALL),
        HeldOut.MICROSCOPY: SceneRules(SceneStyle.MICROSCOPY, _SMALL),
        HeldOut.LARGE: SceneRules(SceneStyle.EASY, _LARGE),
        HeldOut.LARGE_TWICE: SceneRules(SceneStyle.EASY, _LARGE, object_scale=2.0),
    }
)


def held_out_rules(which: HeldOut, pairs: Pairs) -> SceneRules:
    rules = _RULES[which]
    return SceneRules(rules.style, rules.size, pairs, rules.object_scale)


def held_out_scene(which: HeldOut, pairs: Pairs, index: int) -> Scene:
    """Scene `index` of a set, with seen, unseen or any colour-shape pairs."""
    if not 0 <= index < SCENES_IN_A_SET:
        raise OptionError(
            f"held-out set {which.value!r} has scenes 0 to {SCENES_IN_A_SET - 1}, got {index}"
        )
    first = list(HeldOut).index(which) * SCENES_IN_A_SET
    return draw_scene(held_out_rules(which, pairs), first + index)
