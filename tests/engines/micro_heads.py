"""Small heads on the micro tower, trained for a step or two."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from backbones.micro import write_micro_clip

from ovseg_annotate.options import read_options
from ovseg_annotate.training.heads import HeadRecipe

TRUNK: Mapping[str, object] = {
    "sizes": {
        "hidden": 8,
        "heads": 2,
        "visual_guide": 4,
        "text_guide": 4,
        "taps": [6, 4],
        "decoder": [8, 4],
        "decoder_guides": [2, 2],
    },
    "trunk": {"padded_to": 8, "last": "values"},
}
LOOP: Mapping[str, object] = {
    "steps": 2,
    "seed": 10,  # whose phrases the few tokens of the micro tower are enough for
    "precision": "fp32",
    "ema_decay": 0.5,
    "checkpoint_every": 1,
    "log_every": 1,
}


def micro_recipe(system: str, tower: Path, **changes: object) -> HeadRecipe:
    content: dict[str, object] = {
        "system": system,
        "tower": str(tower),
        "parts": TRUNK,
        "pictures": {"windows": 2, "fewest_phrases": 3, "most_phrases": 3},
        "loop": LOOP,
    }
    return read_options(HeadRecipe, content | changes)


def write_micro_head(folder: Path, system: str, **changes: object) -> Path:
    """What a short training exports: `SYSTEM@` the folder that is given back."""
    recipe = micro_recipe(system, write_micro_clip(folder / "tower"), **changes)
    recipe.train(folder / "run")
    recipe.export(folder / "run", folder / "system")
    return folder / "system"
