"""How much the description of each concept counts, where a comparison on corrections chose it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ovseg_annotate.descriptions.prompts import PROMPT_VERSION, key_of
from ovseg_annotate.errors import OptionError
from ovseg_annotate.plain_data import json_text, json_value, shown
from ovseg_annotate.refused_writes import explained
from ovseg_annotate.whole_files import write_whole


@dataclass(frozen=True, slots=True)
class ConceptWeight:
    """One line of the file."""

    name: str
    weight: float  # of the description against the name, 0 to 1


class ConceptWeights:
    """Weights by name; concepts that are not there have the weight of the options."""

    def __init__(self, weights: Iterable[ConceptWeight] = ()) -> None:
        self.weights = tuple(weights)
        self._by_key = {key_of(each.name): each.weight for each in self.weights}

    def of(self, name: str, otherwise: float) -> float:
        return self._by_key.get(key_of(name), otherwise)

    @property
    def digest(self) -> str:
        return ", ".join(f"{each.name}={each.weight:g}" for each in self.weights)


def read_weights(path: Path) -> ConceptWeights:
    try:
        content = json_value(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise OptionError(f"cannot read the weights of descriptions {path}: {error}") from error
    entries = content.get("weights") if isinstance(content, Mapping) else None
    if not isinstance(entries, Mapping):
        raise OptionError(
            f"{path}: expected a table 'weights' from names to numbers, got {shown(content)}"
        )
    weights = []
    for name, weight in entries.items():
        number = isinstance(weight, (int, float)) and not isinstance(weight, bool)
        if not number or not 0 <= weight <= 1:
            raise OptionError(
                f"{path}: weight of {shown(name)}: got {shown(weight)}; allowed: 0 to 1"
            )
        weights.append(ConceptWeight(name, float(weight)))
    return ConceptWeights(weights)


def write_weights(path: Path, weights: ConceptWeights) -> None:
    table = {each.name: each.weight for each in weights.weights}
    content = {"version": PROMPT_VERSION, "weights": table}
    with explained(path):
        write_whole(path, f"{json_text(content, indent=1)}\n".encode())
