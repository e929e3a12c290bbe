"""Tokenizers that never cut a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import open_clip
import torch
from open_clip.tokenizer import HFTokenizer, SimpleTokenizer
from torch import Tensor

from ovseg_annotate.errors import ModelError

DEFAULT_CONTEXT = 77  # tokens; open_clip's own default
_CLIP_VOCABULARY = 49_408


class Tokenizer(Protocol):
    """Turns texts to token numbers."""

    def ids(self, text: str) -> list[int]:
        """All tokens of a text, start and end marks included, neither cut nor padded."""

    def padded(self, texts: Sequence[str]) -> Tensor:
        """(texts, context length) int64, padded as the tower was trained."""


class BytePairs:
    """CLIP's own byte-pair encoding."""

    def __init__(self, tokenizer: SimpleTokenizer) -> None:
        self._tokenizer = tokenizer

    def ids(self, text: str) -> list[int]:
        inner = self._tokenizer.encode(text)
        return [self._tokenizer.sot_token_id, *inner, self._tokenizer.eot_token_id]

    def padded(self, texts: Sequence[str]) -> Tensor:
        padded: Tensor = self._tokenizer(list(texts))
        return padded


class HubTokenizer:
    """A tokenizer of the transformers library."""

    def __init__(self, tokenizer: HFTokenizer) -> None:
        self._tokenizer = tokenizer

    def ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.tokenizer(self._tokenizer.clean_fn(text)).input_ids
        return ids

    def padded(self, texts: Sequence[str]) -> Tensor:
        padded: Tensor = self._tokenizer(list(texts))
        return padded


class _StandIn:
    """Byte pairs folded into another vocabulary: for random weights, where words mean nothing."""

    def __init__(self, vocabulary_size: int, context_length: int) -> None:
        self._pairs = BytePairs(SimpleTokenizer(context_length=context_length))
        self._size = vocabulary_size
        self._context = context_length

    def ids(self, text: str) -> list[int]:
        return [number % self._size for number in self._pairs.ids(text)]

    def padded(self, texts: Sequence[str]) -> Tensor:
        rows = torch.zeros(len(texts), self._context, dtype=torch.long)
        for row, text in zip(rows, texts, strict=True):
            ids = self.ids(text)[: self._context]
            row[: len(ids)] = torch.tensor(ids)
        return rows


def stand_in_tokenizer(text_config: Mapping[str, Any]) -> Tokenizer:
    """A tokenizer for random weights, without any file that the true one would need."""
    context = text_config.get("context_length", DEFAULT_CONTEXT)
    return _StandIn(text_config.get("vocab_size", _CLIP_VOCABULARY), context)


def tokenizer_of_folder(merges: Path, context_length: int) -> Tokenizer:
    """The tokenizer of a bundled folder; without its own table ids would be out of range."""
    return BytePairs(SimpleTokenizer(bpe_path=str(merges), context_length=context_length))


def tokenizer_of_configuration(name: str, text_config: Mapping[str, Any]) -> Tokenizer:
    """The tokenizer that open_clip names for a configuration."""
    if not text_config.get("hf_tokenizer_name"):
        return BytePairs(open_clip.get_tokenizer(name))
    if find_spec("transformers") is None:
        raise ModelError(
            f"{name} reads text with the tokenizer {text_config['hf_tokenizer_name']}, which needs "
            "the transformers library; install it (pip install transformers sentencepiece) or "
            "choose a configuration with CLIP's own tokenizer, such as ViT-B-16-quickgelu/openai"
        )
    return HubTokenizer(open_clip.get_tokenizer(name))
