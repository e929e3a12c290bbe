"""The generated world once more, by another hand: the same words, other pictures.

A model is never trained on these. One that learned what words mean does as well here as on the
scenes of its training; one that learned their brush does not. Nothing but words, rules and types
is shared with `datasets.scenes`.
"""

from ovseg_annotate.datasets.second_scenes.choice import STYLES
from ovseg_annotate.datasets.second_scenes.drawing import draw_second_scene

__all__ = ["STYLES", "draw_second_scene"]
