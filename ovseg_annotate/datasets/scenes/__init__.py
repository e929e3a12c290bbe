"""A generated world of named things: pictures, exact masks and texts from a seed."""

from ovseg_annotate.datasets.scenes.compose import draw_scene
from ovseg_annotate.datasets.scenes.held_out import HeldOut, held_out_rules, held_out_scene
from ovseg_annotate.datasets.scenes.pairs import is_unseen
from ovseg_annotate.datasets.scenes.phrases import (
    Phrase,
    draw_phrase,
    draw_statement,
    matches,
    name_of,
    phrase_saying,
    phrases_of,
)
from ovseg_annotate.datasets.scenes.scene import (
    Attributes,
    Pairs,
    Scene,
    SceneRegion,
    SceneRules,
    SceneStyle,
    semantic_map,
)

__all__ = [
    "Attributes",
    "HeldOut",
    "Pairs",
    "Phrase",
    "Scene",
    "SceneRegion",
    "SceneRules",
    "SceneStyle",
    "draw_phrase",
    "draw_scene",
    "draw_statement",
    "held_out_rules",
    "held_out_scene",
    "is_unseen",
    "matches",
    "name_of",
    "phrase_saying",
    "phrases_of",
    "semantic_map",
]
