"""The text half of PGSeg: a causal transformer that tells sentences and words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from open_clip.tokenizer import default_bpe
from open_clip.transformer import QuickGELU, TextTransformer
from torch import Tensor, nn
from torch.nn.functional import normalize

from ovseg_annotate.backbones.group_vit import GroupSizes
from ovseg_annotate.backbones.tokens import Tokenizer
from ovseg_annotate.errors import VocabularyError
from ovseg_annotate.grouping.layers import Projection

_BATCH = 256  # texts at a time


@dataclass(frozen=True, slots=True, eq=False)
class ReadTexts:
    """What texts say, before any projection."""

    sentences: Tensor  # (texts, text width)
    words: Tensor  # (texts, tokens, text width)
    valid: Tensor  # (texts, tokens) bool: up to the end mark


class CaptionReader(nn.Module):
    """Token numbers to sentences and words; what stands behind the end mark changes nothing."""

    def __init__(self, sizes: GroupSizes) -> None:
        super().__init__()
        self.tower = TextTransformer(
            context_length=sizes.text_tokens,
            vocab_size=sizes.vocabulary,
            width=sizes.text_width,
            heads=sizes.text_heads,
            layers=sizes.text_layers,
            act_layer=QuickGELU if sizes.quick else nn.GELU,
            proj_type="none",
            output_tokens=True,
        )

    def forward(self, numbers: Tensor) -> ReadTexts:
        """(texts, tokens) int64, padded with 0 behind the end mark, the highest number."""
        sentences, words = self.tower(numbers)
        ends = numbers.argmax(dim=1, keepdim=True)
        valid = torch.arange(numbers.shape[1], device=numbers.device) <= ends
        return ReadTexts(sentences, words, valid)


class GroupText:
    """A TextTower: the reader with its projection behind a tokenizer."""

    def __init__(
        self, reader: CaptionReader, projection: Projection, tokenizer: Tokenizer, longest: int
    ) -> None:
        self._reader = reader
        self._projection = projection
        self._tokenizer = tokenizer
        self._longest = longest

    @property
    def longest_phrase(self) -> int:
        return self._longest

    def token_count(self, text: str) -> int:
        return len(self._tokenizer.ids(text))

    @torch.no_grad()
    def encode(self, texts: Sequence[str]) -> Tensor:
        if not texts:
            raise VocabularyError("expected at least one text to encode, got none")
        device = next(self._reader.parameters()).device
        encoded = []
        for start in range(0, len(texts), _BATCH):
            numbers = token_numbers(texts[start : start + _BATCH], self._tokenizer, self._longest)
            read = self._reader(numbers.to(device))
            encoded.append(normalize(self._projection(read.sentences).float(), dim=1))
        return torch.cat(encoded)


def token_numbers(texts: Sequence[str], tokenizer: Tokenizer, longest: int) -> Tensor:
    """(texts, as many as the longest has) int64, 0 behind the end mark; nothing is cut."""
    rows = [tokenizer.ids(text) for text in texts]
    for text, row in zip(texts, rows, strict=True):
        if len(row) > longest:
            raise VocabularyError(
                f"the text {text!r} has {len(row)} tokens, start and end marks included; this "
                f"tower reads at most {longest}; shorten it or split it into several phrases"
            )
    numbers = torch.zeros(len(rows), longest, dtype=torch.long)
    for place, row in enumerate(rows):
        numbers[place, : len(row)] = torch.tensor(row)
    return numbers


def published_merges() -> Path:
    """CLIP's whole byte-pair table, as open_clip ships it."""
    return Path(default_bpe())
