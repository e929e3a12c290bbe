"""A vocabulary together with the vectors of its phrases."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ovseg_annotate.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True, eq=False)
class TextBank:
    """Row i is the unit vector of `vocabulary.phrases[i]`; negatives and contrast included."""

    vocabulary: Vocabulary
    embeddings: Tensor  # (phrases, width) float32, unit length
    wording: str = ""  # what decided the vectors beside phrases and weights: for provenance
    warnings: tuple[str, ...] = ()  # what the person should know about how they came about

    def __post_init__(self) -> None:
        if len(self.embeddings) != len(self.vocabulary.phrases):
            raise ValueError(
                f"{len(self.embeddings)} embeddings for {len(self.vocabulary.phrases)} phrases"
            )
