"""The three verbs that every engine speaks, and what a caller must know about it.

encode_text(vocabulary)  -> TextBank       once per choice of words
encode_image(windows)    -> Features       slow, knows no text, can be kept
score(features, text)    -> ClassScores    fast, once per change of words
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

from ovseg_annotate.errors import ModelError
from ovseg_annotate.geometry import Size
from ovseg_annotate.scores import ClassScores
from ovseg_annotate.text.bank import TextBank
from ovseg_annotate.vocabulary import Vocabulary


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
    pointable: bool = False  # it is `Pointable`: visual examples and picking work

    @property
    def space(self) -> str:
        """Equal for two engines whose vectors can be compared."""
        parts = (self.name, self.version, self.feature_options, self.weights_digest[:16])
        return " ".join(part for part in parts if part)


class Engine(Protocol):
    """One segmentation system; `Features` is a frozen dataclass of tensors, windows first."""

    @property
    def card(self) -> EngineCard: ...

    @property
    def features_kind(self) -> type[object]:
        """The dataclass that `encode_image` returns, so that a store can rebuild it."""

    def encode_text(self, vocabulary: Vocabulary) -> TextBank: ...

    def encode_image(self, windows: Tensor) -> object:
        """(windows, 3, height, width), normalised -> Features."""

    def score(self, features: object, text: TextBank) -> ClassScores: ...

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        """Move the networks; `encode_image` takes windows of that device and dtype."""


@runtime_checkable
class Pointable(Protocol):
    """What pointing needs of an engine: a vector for each cell, and competing scores of vectors."""

    def cell_vectors(self, features: object) -> Tensor:
        """(windows, rows, columns, width), unit length, on the grid of the scores."""

    def score_vectors(self, vectors: Tensor, text: TextBank) -> ClassScores:
        """What cells with these vectors (n, width) would score: values (1, concepts, 1, n)."""


def pointable(engine: Engine) -> Pointable:
    """The engine as one that can be pointed with."""
    if not engine.card.pointable or not isinstance(engine, Pointable):
        raise ModelError(
            f"{engine.card.name} cannot be pointed with: its words and cells do not meet as "
            "vectors of one space; choose one of the dense engines, such as naclip@mini"
        )
    return engine


def check_windows(windows: Tensor, card: EngineCard) -> None:
    """Refuse what the card excludes."""
    shape, step = tuple(windows.shape), card.multiple_of
    pictures = len(shape) == 4 and shape[1] == 3
    if not pictures or not all(side and side % step == 0 for side in shape[2:]):
        raise ModelError(
            f"{card.name} takes windows (windows, 3, height, width) with sides that are multiples "
            f"of {step}, got {shape}; pad them to the next multiple"
        )


FeaturesT = TypeVar("FeaturesT")


def joined(parts: list[FeaturesT]) -> FeaturesT:
    """Features of several batches as one, windows in order."""
    kind = type(parts[0])
    fields = dataclasses.fields(kind)  # type: ignore[arg-type]
    return kind(
        **{field.name: torch.cat([getattr(part, field.name) for part in parts]) for field in fields}
    )


def some_windows(features: FeaturesT, start: int, stop: int) -> FeaturesT:
    """The features of windows start to stop, as views."""
    kind = type(features)
    fields = dataclasses.fields(kind)  # type: ignore[arg-type]
    return kind(**{field.name: getattr(features, field.name)[start:stop] for field in fields})


def tensors_of(features: object) -> dict[str, Tensor]:
    """The named tensors of some features, for a store."""
    return {
        field.name: getattr(features, field.name)
        for field in dataclasses.fields(features)  # type: ignore[arg-type]
    }
