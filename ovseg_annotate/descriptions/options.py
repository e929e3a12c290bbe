"""What can be set of enriched prompts, on every engine that takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from ovseg_annotate.descriptions.prompts import GROUPS, Group
from ovseg_annotate.errors import OptionError

Enrichment: TypeAlias = Literal["off", "lexicon", "endpoint", "others"]
Sentences: TypeAlias = Literal["whole", "single", "both"]


@dataclass(frozen=True, slots=True)
class EnrichOptions:
    """Which descriptions join the names, and how much they count."""

    source: Enrichment = "off"  # behind the file; others: of other concepts, to compare with
    weight: float = 0.2  # of descriptions against the name, 0 to 1
    file: str | None = None  # YAML or JSON of a person's own descriptions; they come first
    weights: str | None = None  # file of weights for single concepts, as a comparison wrote it
    groups: Literal["all"] | Group = "all"  # which of the attributes are said
    sentences: Sentences = "whole"  # one with all attributes, one for each, or both

    def __post_init__(self) -> None:
        if not 0 <= self.weight <= 1:
            raise OptionError(f"option 'weight': got {self.weight:g}; allowed: 0 to 1")

    @property
    def said(self) -> tuple[Group, ...]:
        return GROUPS if self.groups == "all" else (self.groups,)

    @property
    def is_off(self) -> bool:
        """Whether no name can change: nothing describes, or nothing counts."""
        nobody = self.source == "off" and self.file is None
        return nobody or (self.weight == 0 and self.weights is None)
