"""What a caller must know about an engine, as data. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeAlias

from ovseg_annotate.errors import ModelError
from ovseg_annotate.geometry import Size

# How the phrases of one concept become one number.
FoldRule: TypeAlias = Literal["max", "sum"]


class TilingGrade(StrEnum):
    """How much an answer may change when a picture is cut into windows."""

    LOCAL = "local"  # a window's answer depends on the window: overlap and blend
    GLOBAL = "global"  # needs the whole picture in one window


@dataclass(frozen=True, slots=True)
class EngineCard:
    """What a caller must respect, as data."""

    name: str  # as in ENGINE@WEIGHTS
    version: str  # part of every cache key: changes when the features change
    window: Size  # the window it is best at, in pixels
    multiple_of: int  # window sides are multiples of this
    stride: int  # pixels a cell of the score grid covers
    mean: tuple[float, float, float]  # pixel normalisation, for pixels in 0 to 1
    std: tuple[float, float, float]
    short_side: int | None  # bring pictures to this short side by default; None: see below
    tiling: TilingGrade
    half_precision: bool  # bfloat16 and float16 are safe
    trainable: bool
    threshold: float  # default minimum confidence
    weights_digest: str  # sha256 of the weights it runs with
    licence: str  # of those weights
    feature_options: str  # its options that change features, one line: part of cache keys
    options: str  # all its options, one line: part of provenance
    magnification: float = 1.0  # without a short side: enlarge pictures so many times by default
    overlap: float = 0.5  # of neighbouring windows by default, as a share of the window
    known_words: tuple[str, ...] = ()  # empty: open vocabulary; else what it was taught
    pointable: bool = False  # it is `engine.Pointable`: visual examples and picking work
    folds: FoldRule | None = None  # phrases to concepts, cell by cell: their weights can be learnt

    @property
    def space(self) -> str:
        """Equal for two engines whose vectors can be compared."""
        parts = (self.name, self.version, self.feature_options, self.weights_digest[:16])
        return " ".join(part for part in parts if part)

    def check_pointable(self) -> None:
        """Refuse marks where an engine cannot use them."""
        if not self.pointable:
            raise ModelError(
                f"{self.name} cannot be pointed with: its words and cells do not meet as vectors "
                "of one space; choose one of the dense engines, such as naclip@mini"
            )
