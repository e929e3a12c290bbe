"""The three verbs that every engine speaks.

encode_text(vocabulary)  -> TextBank       once per choice of words
encode_image(windows)    -> Features       slow, knows no text, can be kept
score(features, text)    -> ClassScores    fast, once per change of words
"""

from __future__ import annotations

import dataclasses
from typing import Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

from ovseg_annotate.card import EngineCard
from ovseg_annotate.errors import ModelError
from ovseg_annotate.scores import ClassScores
from ovseg_annotate.text.bank import TextBank
from ovseg_annotate.vocabulary import Vocabulary


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
    engine.card.check_pointable()
    if not isinstance(engine, Pointable):
        raise TypeError(f"{engine.card.name} has a card that says more than it can do")
    return engine


@runtime_checkable
class FineTunable(Protocol):
    """What fine-tuning needs of an engine: a trained head over features that know no words."""

    @property
    def features_kind(self) -> type[object]: ...

    @property
    def head(self) -> nn.Module: ...

    def with_head(self, head: nn.Module) -> Engine:
        """The same engine with another head; everything else is shared."""

    def concept_vectors(self, text: TextBank) -> Tensor:
        """(concepts, width): all that the head is told of the words."""

    def logits(self, head: nn.Module, features: object, vectors: Tensor) -> Tensor:
        """(windows, concepts, rows, columns), whose sigmoid are the scores; gradients flow."""


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


def chosen_windows(features: FeaturesT, numbers: list[int]) -> FeaturesT:
    """The features of those windows, as copies."""
    kind = type(features)
    fields = dataclasses.fields(kind)  # type: ignore[arg-type]
    return kind(**{field.name: getattr(features, field.name)[numbers] for field in fields})


def tensors_of(features: object) -> dict[str, Tensor]:
    """The named tensors of some features, for a store."""
    return {
        field.name: getattr(features, field.name)
        for field in dataclasses.fields(features)  # type: ignore[arg-type]
    }
