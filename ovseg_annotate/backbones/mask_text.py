"""A text tower that is learnt with a mask transformer, from nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import torch
from open_clip.tokenizer import SimpleTokenizer
from open_clip.transformer import TextTransformer
from torch import Tensor, nn
from torch.nn import functional

from ovseg_annotate.backbones.folder import bundled_folder, read_folder
from ovseg_annotate.backbones.tokens import BytePairs, Tokenizer, tokenizer_of_folder
from ovseg_annotate.errors import OptionError, VocabularyError

_BATCH = 256  # texts at a time
_CLIP_VOCABULARY = 49_408
_BUNDLED = "mini"


@dataclass(frozen=True, slots=True)
class TextParts:
    """The defaults are the published ones."""

    pieces: Literal["clip", "mini"] = "clip"  # of words: CLIP's own table, or the bundled one
    width: int = 256
    layers: int = 12
    heads: int = 4
    longest: int = 77  # tokens of a text, start and end marks included

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name != "pieces" and value < 1:
                raise OptionError(f"text {field.name!r}: got {value}; it must be at least 1")
        if self.width % self.heads:
            raise OptionError(
                f"text 'width': got {self.width}; allowed: a multiple of the {self.heads} heads"
            )


class CaptionTower(nn.Module):
    """Token numbers to one vector a text, read at the end mark."""

    def __init__(self, parts: TextParts, shared: int) -> None:
        super().__init__()
        self.pieces = caption_pieces(parts)
        self.longest = parts.longest
        self.transformer: Any = TextTransformer(
            context_length=parts.longest,
            vocab_size=self.pieces.size,
            width=parts.width,
            heads=parts.heads,
            layers=parts.layers,
            proj_type="none",
        )
        self.projection = nn.Sequential(
            nn.Linear(parts.width, shared), nn.ReLU(), nn.Linear(shared, shared)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """(texts, context) int64 -> (texts, shared), of any length."""
        tower = self.transformer
        ends = tokens.argmax(dim=1)  # the end mark is the highest number
        # What stands behind the last end mark is seen by no token before it.
        count = int(ends.max()) + 1
        read = tower.token_embedding(tokens[:, :count]) + tower.positional_embedding[:count]
        read = tower.transformer(read, attn_mask=tower.attn_mask[:count, :count])
        rows = torch.arange(len(tokens), device=tokens.device)
        projected: Tensor = self.projection(tower.ln_final(read[rows, ends]))
        return projected


class CaptionPieces:
    """How texts fall into numbers."""

    def __init__(self, tokenizer: Tokenizer, size: int, longest: int) -> None:
        self._tokenizer = tokenizer
        self._longest = longest
        self.size = size  # numbers there are

    def count(self, text: str) -> int:
        return len(self._tokenizer.ids(text))

    def cut(self, texts: Sequence[str]) -> Tensor:
        """(texts, context); a text that is too long loses its end, as in training on captions."""
        return self._tokenizer.padded(texts)

    def whole(self, texts: Sequence[str]) -> Tensor:
        """The same for words that a person typed: nothing is cut."""
        for text in texts:
            if self.count(text) > self._longest:
                raise VocabularyError(
                    f"the text {text!r} has {self.count(text)} tokens, start and end marks "
                    f"included; this tower reads at most {self._longest}; shorten it or split it "
                    "into several phrases"
                )
        return self._tokenizer.padded(texts)


class CaptionReader:
    """The tower as a `TextTower`."""

    def __init__(self, tower: CaptionTower) -> None:
        self._tower = tower

    @property
    def longest_phrase(self) -> int:
        return self._tower.longest

    def token_count(self, text: str) -> int:
        return self._tower.pieces.count(text)

    @torch.no_grad()
    def encode(self, texts: Sequence[str]) -> Tensor:
        if not texts:
            raise VocabularyError("expected at least one text to encode, got none")
        device = next(self._tower.parameters()).device
        tokens = self._tower.pieces.whole(texts).to(device)
        encoded = torch.cat([self._tower(part) for part in torch.split(tokens, _BATCH)])
        return functional.normalize(encoded.float(), dim=-1)


def caption_pieces(parts: TextParts) -> CaptionPieces:
    if parts.pieces == "clip":
        pairs = BytePairs(SimpleTokenizer(context_length=parts.longest))
        return CaptionPieces(pairs, _CLIP_VOCABULARY, parts.longest)
    folder = read_folder(bundled_folder(_BUNDLED))
    tokenizer = tokenizer_of_folder(folder.merges, parts.longest)
    return CaptionPieces(tokenizer, folder.configuration["text_cfg"]["vocab_size"], parts.longest)
