"""Which models have a head that can be fine-tuned. Imports no torch."""

from __future__ import annotations

from ovseg_annotate.catalog import ENGINES, engine_named, parse_model
from ovseg_annotate.errors import ModelError
from ovseg_annotate.lessons.model_names import split_model


def refuse_without_head(model: str) -> None:
    """Before anything is loaded; of engines of other packages only the loaded one knows."""
    base = split_model(model)[0]
    entry = engine_named(parse_model(base).engine)
    if entry in ENGINES and not entry.head:
        raise ModelError(no_head(base))


def no_head(model: str) -> str:
    """What to say of a model that cannot be fine-tuned."""
    heads = ", ".join(f"{entry.name}@mini" for entry in ENGINES if entry.head)
    return (
        f"{model} has no trained head that could be fine-tuned; those that have one: {heads}. "
        "It learns from corrections without --fine-tune; S-Seg has a training of its own, see "
        "recipes/sseg-plus.toml"
    )
