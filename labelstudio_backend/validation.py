"""What /validate tells about a labeling config."""

from __future__ import annotations

from collections.abc import Iterable

from labelstudio_backend.label_config import Control, read_label_config
from ovseg_annotate.formats.fields import Field


def understood(body: Field) -> dict[str, object]:
    """Read a labeling config, under the name Label Studio gives it or ours; say what it means."""
    text = body.find("config") or body.get("label_config")
    config = read_label_config(text.text())
    return {
        "images": [{"name": image.name, "field": image.field} for image in config.images],
        "concepts": _concepts(config.controls),
        "controls": [
            {
                "name": control.name,
                "type": control.kind.value,
                "image": control.image,
                "labels": [label.value for label in control.labels],
                "labels_from": control.dynamic,
            }
            for control in config.controls
        ],
        "prompts": [prompt.name for prompt in config.prompts],
        "warnings": list(config.warnings),
    }


def _concepts(controls: Iterable[Control]) -> list[dict[str, object]]:
    """One a name, as the first control has it; Choices are about the whole picture."""
    concepts: dict[str, dict[str, object]] = {}
    for control in controls:
        if not control.takes_regions:
            continue
        for label in control.labels:
            concept = {
                "name": label.name,
                "phrases": list(label.phrases or (label.name,)),
                "negative": label.negative,
                "threshold": label.threshold,
            }
            concepts.setdefault(label.name, concept)
    return list(concepts.values())
