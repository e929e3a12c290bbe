"""From a vocabulary to unit vectors, each phrase through a set of templates and never twice."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ovseg_annotate.errors import OptionError, WeightsError
from ovseg_annotate.text.bank import TextBank
from ovseg_annotate.text.store import Vector, VectorStore
from ovseg_annotate.text.templates import PLACE, filled
from ovseg_annotate.vocabulary import Vocabulary

_FORMAT = "1"  # changes when vectors of the same phrase would
_KEPT = 20_000  # vectors in memory
_TEXTS = 4096  # that the tower gets at once


class SentenceTower(Protocol):
    """The part of a text tower that is needed here."""

    def encode(self, texts: Sequence[str]) -> Tensor:
        """(texts, width), float32, unit length."""


@dataclass(frozen=True, slots=True)
class Wording:
    """What decides a phrase's vector besides the phrase."""

    weights_digest: str
    templates: tuple[str, ...]  # each with one {} for the phrase

    def __post_init__(self) -> None:
        if not self.templates:
            raise OptionError("a template set needs at least one template, such as 'a photo of {}'")
        for template in self.templates:
            if template.count(PLACE) != 1:
                raise OptionError(
                    f"template {template!r} must hold {PLACE} once, where the phrase goes, "
                    "such as 'a photo of {}'"
                )

    def key(self, phrase: str) -> str:
        parts = (_FORMAT, self.weights_digest, *self.templates, phrase)
        # Lengths keep ("ab", "c") and ("a", "bc") apart.
        text = "".join(f"{len(part)}:{part}" for part in parts)
        return hashlib.sha256(text.encode()).hexdigest()


class WordEncoder(Protocol):
    """What gives vocabularies their vectors."""

    def bank(self, vocabulary: Vocabulary) -> TextBank: ...


def plain_words(phrases: WordEncoder, vocabulary: Vocabulary) -> TextBank:
    """The phrases of a vocabulary as they are."""
    return phrases.bank(vocabulary)


class PhraseEncoder:
    """Encodes vocabularies; safe to share between threads."""

    def __init__(
        self, tower: SentenceTower, wording: Wording, store: VectorStore | None = None
    ) -> None:
        self._tower = tower
        self._wording = wording
        self._store = store
        self._kept: OrderedDict[str, Vector] = OrderedDict()
        self._lock = threading.Lock()

    def bank(self, vocabulary: Vocabulary) -> TextBank:
        """Vectors for all phrases, on the CPU; only those not seen before cost anything."""
        keys = {phrase: self._wording.key(phrase) for phrase in vocabulary.phrases}
        vectors = {key: vector for key in keys.values() if (vector := self._found(key)) is not None}
        missing = [phrase for phrase, key in keys.items() if key not in vectors]
        if missing:
            encoded = self._encoded(missing)
            made = {keys[phrase]: vector for phrase, vector in zip(missing, encoded, strict=True)}
            vectors |= made
            self._keep(made)
            if self._store is not None:
                self._store.put(made)
        rows = np.stack([vectors[keys[phrase]] for phrase in vocabulary.phrases])
        return TextBank(vocabulary, torch.from_numpy(rows))

    def _found(self, key: str) -> Vector | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        vector = None if self._store is None else self._store.get(key)
        if vector is not None:
            self._keep({key: vector})
        return vector

    def _keep(self, vectors: dict[str, Vector]) -> None:
        with self._lock:
            self._kept.update(vectors)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)

    def _encoded(self, phrases: list[str]) -> list[Vector]:
        templates = self._wording.templates
        step = max(_TEXTS // len(templates), 1)
        rows: list[Vector] = []
        for start in range(0, len(phrases), step):
            some = phrases[start : start + step]
            texts = [filled(template, phrase) for phrase in some for template in templates]
            with torch.no_grad():
                encoded = self._tower.encode(texts)
                vectors = mean_over_templates(encoded.view(len(some), len(templates), -1))
            if not bool(vectors.isfinite().all()):
                raise WeightsError(
                    f"the text tower gave no finite numbers for one of {some[:5]}; its weights are "
                    "damaged: remove them from the cache and fetch them again"
                )
            rows.extend(vectors.cpu().numpy())
        return rows


class LearningTower(Protocol):
    """A text tower that is trained."""

    def encode_learning(self, texts: Sequence[str]) -> Tensor:
        """(texts, width), float32, unit length, with a way back for gradients."""


class LearningPhrases:
    """Encodes anew each time, for a tower that changes from step to step."""

    def __init__(self, tower: LearningTower, templates: tuple[str, ...]) -> None:
        self._tower = tower
        self._templates = templates

    def bank(self, vocabulary: Vocabulary) -> TextBank:
        phrases, templates = vocabulary.phrases, self._templates
        texts = [filled(template, phrase) for phrase in phrases for template in templates]
        encoded = self._tower.encode_learning(texts)
        vectors = mean_over_templates(encoded.view(len(phrases), len(templates), -1))
        return TextBank(vocabulary, vectors)


def mean_over_templates(vectors: Tensor) -> Tensor:
    """(phrases, templates, width) of any length -> (phrases, width), unit length."""
    unit = functional.normalize(vectors.float(), dim=-1)
    return functional.normalize(unit.mean(dim=1), dim=-1)
