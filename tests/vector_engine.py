"""An engine that can be pointed with: cells and colour words are vectors of one space."""

from __future__ import annotations

import threading
import zlib
from dataclasses import dataclass, field, replace

import torch
from fake_engine import CARD, COLOURS
from torch import Tensor
from torch.nn.functional import avg_pool2d, normalize

from ovseg_annotate.card import EngineCard
from ovseg_annotate.devices import Placement
from ovseg_annotate.feature_store import FeatureStore
from ovseg_annotate.scores import ClassScores, fold
from ovseg_annotate.session import Session
from ovseg_annotate.text.bank import TextBank
from ovseg_annotate.vocabulary import Vocabulary

CPU = Placement(torch.device("cpu"), torch.float32)
_SCALE = 20.0
_MEANINGLESS = 12  # further parts of a vector, in which unknown words lie

VECTOR_CARD = replace(CARD, name="vectors", known_words=tuple(COLOURS), pointable=True, folds="max")


@dataclass(frozen=True, slots=True)
class CellColours:
    vectors: Tensor  # (windows, rows, columns, width), unit


@dataclass
class VectorEngine:
    """A cell's vector is its mean colour; an unknown word points nowhere near any colour."""

    card: EngineCard = VECTOR_CARD
    batches: list[int] = field(default_factory=list)
    busy: threading.Lock = field(default_factory=threading.Lock)

    @property
    def features_kind(self) -> type[object]:
        return CellColours

    @property
    def encoded_windows(self) -> int:
        return sum(self.batches)

    def encode_text(self, vocabulary: Vocabulary) -> TextBank:
        return TextBank(vocabulary, torch.stack([_word(text) for text in vocabulary.phrases]))

    def encode_image(self, windows: Tensor) -> CellColours:
        assert self.busy.acquire(blocking=False), "two network passes at a time"
        try:
            self.batches.append(len(windows))
            mean = torch.tensor(self.card.mean).view(1, 3, 1, 1)
            std = torch.tensor(self.card.std).view(1, 3, 1, 1)
            colours = avg_pool2d(windows.float() * std + mean, self.card.stride)
            return CellColours(_vector(colours.permute(0, 2, 3, 1)))
        finally:
            self.busy.release()

    def score(self, features: object, text: TextBank) -> ClassScores:
        cells = self.cell_vectors(features)
        logits = _SCALE * torch.einsum("pd,nrcd->pnrc", text.embeddings, cells)
        values = fold(logits, text.vocabulary.phrase_owners, len(text.vocabulary), self.card.folds)
        return ClassScores(values.transpose(0, 1), competing=True, vocabulary=text.vocabulary)

    def cell_vectors(self, features: object) -> Tensor:
        assert isinstance(features, CellColours)
        return features.vectors

    def score_vectors(self, vectors: Tensor, text: TextBank) -> ClassScores:
        return self.score(CellColours(vectors[None, None]), text)

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        self.placed = (device, dtype)


def vector_session(store: FeatureStore | None = None) -> Session:
    return Session(VectorEngine(), CPU, store or FeatureStore())


def _vector(colours: Tensor) -> Tensor:
    """(..., 3), 0 to 1 -> (..., width): a colour beside a part that all colours share."""
    shared = torch.full_like(colours[..., :1], 0.3)
    nothing = torch.zeros(*colours.shape[:-1], _MEANINGLESS)
    return normalize(torch.cat([colours - 0.5, shared, nothing], dim=-1), dim=-1)


def _word(text: str) -> Tensor:
    if text in COLOURS:
        return _vector(torch.tensor(COLOURS[text]))
    generator = torch.Generator().manual_seed(zlib.crc32(text.encode()))
    elsewhere = torch.randn(_MEANINGLESS, generator=generator)
    return normalize(torch.cat([torch.zeros(4), elsewhere]), dim=0)
