"""An engine whose scores are known: a concept named after a colour is wherever that colour is."""

from __future__ import annotations

import threading
import zlib
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ovseg_annotate.card import EngineCard, TilingGrade
from ovseg_annotate.geometry import Size
from ovseg_annotate.scores import ClassScores
from ovseg_annotate.text.bank import TextBank
from ovseg_annotate.vocabulary import Vocabulary

COLOURS = {
    "red": (1.0, 0.0, 0.0),
    "green": (0.0, 1.0, 0.0),
    "blue": (0.0, 0.0, 1.0),
    "black": (0.0, 0.0, 0.0),
    "white": (1.0, 1.0, 1.0),
    "grey": (0.5, 0.5, 0.5),
}

CARD = EngineCard(
    name="fake",
    version="1",
    window=Size(32, 32),
    multiple_of=4,
    stride=4,
    mean=(0.5, 0.5, 0.5),
    std=(0.25, 0.25, 0.25),
    short_side=None,
    tiling=TilingGrade.LOCAL,
    half_precision=True,
    trainable=False,
    threshold=0.0,
    weights_digest="0" * 64,
    licence="Apache-2.0",
    feature_options="",
    options="",
)


@dataclass(frozen=True, slots=True)
class MeanColours:
    colours: Tensor  # (windows, 3, rows, columns), 0 to 1


@dataclass
class FakeEngine:
    card: EngineCard = CARD
    competing: bool = True
    sharpness: float = 20.0
    largest_batch: int | None = None  # larger ones run out of memory
    fails_on_black: bool = False
    not_a_number: bool = False
    batches: list[int] = field(default_factory=list)
    busy: threading.Lock = field(default_factory=threading.Lock)

    @property
    def features_kind(self) -> type[object]:
        return MeanColours

    @property
    def encoded_windows(self) -> int:
        return sum(self.batches)

    def with_card(self, **changes: object) -> FakeEngine:
        return replace(self, card=replace(self.card, **changes), batches=[])

    def encode_text(self, vocabulary: Vocabulary) -> TextBank:
        rows = []
        for phrase in vocabulary.phrases:
            generator = torch.Generator().manual_seed(zlib.crc32(phrase.encode()))
            rows.append(torch.randn(64, generator=generator))
        return TextBank(vocabulary, torch.nn.functional.normalize(torch.stack(rows), dim=-1))

    def encode_image(self, windows: Tensor) -> MeanColours:
        assert self.busy.acquire(blocking=False), "two network passes at a time"
        try:
            if self.largest_batch is not None and len(windows) > self.largest_batch:
                raise torch.OutOfMemoryError("simulated")
            self.batches.append(len(windows))
            mean = torch.tensor(self.card.mean).view(1, 3, 1, 1)
            std = torch.tensor(self.card.std).view(1, 3, 1, 1)
            colours = windows.float() * std + mean
            if self.fails_on_black and bool((colours.amax(dim=(1, 2, 3)) < 0.1).any()):
                raise ZeroDivisionError("a window is black")
            return MeanColours(avg_pool2d(colours, self.card.stride))
        finally:
            self.busy.release()

    def score(self, features: object, text: TextBank) -> ClassScores:
        assert isinstance(features, MeanColours)
        windows, _, rows, columns = features.colours.shape
        nearest = torch.full((windows, len(text.vocabulary), rows, columns), 9.0)
        for owner, phrase in zip(
            text.vocabulary.phrase_owners, text.vocabulary.phrases, strict=True
        ):
            if phrase in COLOURS:
                colour = torch.tensor(COLOURS[phrase]).view(1, 3, 1, 1)
                distance = (features.colours - colour).norm(dim=1)
                nearest[:, owner] = torch.minimum(nearest[:, owner], distance)
        values = (
            (-self.sharpness * nearest).softmax(dim=1)
            if self.competing
            else torch.exp(-self.sharpness * nearest)
        )
        if self.not_a_number:
            values = values * float("nan")
        return ClassScores(values, self.competing, text.vocabulary)

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        self.placed = (device, dtype)
