"""What an engine says about a window: a probability for each concept on a coarse grid."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ovseg_annotate.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True, eq=False)
class ClassScores:
    """Probabilities on the engine's own grid; row-major cells of `EngineCard.stride` pixels."""

    values: Tensor  # (windows, concepts, rows, columns), 0 to 1
    competing: bool  # True: concepts share one pixel (softmax); False: each alone (sigmoid)
    vocabulary: Vocabulary

    def __post_init__(self) -> None:
        if self.values.ndim != 4 or self.values.shape[1] != len(self.vocabulary):
            raise ValueError(
                f"scores of shape {tuple(self.values.shape)} for {len(self.vocabulary)} concepts"
            )
