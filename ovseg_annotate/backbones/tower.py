"""What the engines ask of a pretrained image-text tower, whatever library it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeGuard

import torch
from torch import Tensor

from ovseg_annotate.geometry import Size


@dataclass(frozen=True, slots=True)
class TowerCard:
    """What is known of a tower and its weights."""

    name: str  # as in ENGINE@WEIGHTS, the part after the @
    window: Size  # the input size of its training
    stride: int  # pixels a token covers
    width: int  # of the space that text and image share
    mean: tuple[float, float, float]  # pixel normalisation of these weights
    std: tuple[float, float, float]
    half_precision: bool
    weights_digest: str  # sha256 of the weights file
    licence: str
    templates: str = "short"  # the template set its text tower is best with
    scale: float | None = None  # softmax scale for cosines, where these weights need their own
    threshold: float | None = None  # default minimum confidence, likewise
    short_side: int | None = None  # bring pictures to this short side; None: see below
    magnification: float = 1.0  # without a short side: enlarge pictures so many times
    overlap: float = 0.5  # of neighbouring windows
    known_words: tuple[str, ...] = ()  # empty: open vocabulary


class AttentionBlock(Protocol):
    """A transformer block, whole or opened up. Tokens are (batch, tokens, width)."""

    def __call__(self, tokens: Tensor) -> Tensor:
        """The untouched block."""

    def heads(self, tokens: Tensor, parts: str) -> tuple[Tensor, ...]:
        """Normalise, then project to the named parts of "qkv" in that order.

        Each is (batch, heads, tokens, head width); a tower with rotary positions has them in
        q and k. Parts that are not named are not computed.
        """

    def merge(self, attended: Tensor) -> Tensor:
        """(batch, heads, tokens, head width) -> output projection and layer scale."""

    def finish(self, tokens: Tensor, merged: Tensor) -> Tensor:
        """Residual sum and the block's second half, as the untouched block has them."""


class VisionTower(Protocol):
    """A transformer whose last block an engine may replace."""

    @property
    def card(self) -> TowerCard: ...

    @property
    def prefix(self) -> int:
        """Tokens before the grid: 1 with a class token, 0 without."""

    @property
    def blocks(self) -> Sequence[AttentionBlock]:
        """The blocks as they are on the grid of the training size."""

    def blocks_on(self, grid: Size) -> Sequence[AttentionBlock]:
        """The blocks for tokens of this grid: rotary positions turn with it. Cheap to ask for."""

    def embed(self, images: Tensor) -> tuple[Tensor, Size]:
        """(batch, 3, height, width), any multiple of the stride -> tokens, grid (row-major)."""

    def project(self, tokens: Tensor) -> Tensor:
        """(batch, n, width of the tower) -> (batch, n, shared width); not unit length."""


class ConvTower(Protocol):
    """A convolutional tower: dense features as they are, nothing to replace."""

    @property
    def card(self) -> TowerCard: ...

    def dense(self, images: Tensor) -> tuple[Tensor, Size]:
        """(batch, 3, height, width) -> (batch, rows * columns, shared width), grid."""


class TextTower(Protocol):
    """The text half."""

    @property
    def longest_phrase(self) -> int:
        """Tokens a text may have, start and end marks included."""

    def token_count(self, text: str) -> int:
        """Tokens of a text, start and end marks included, not cut."""

    def encode(self, texts: Sequence[str]) -> Tensor:
        """(texts, shared width), float32, unit length."""

    def encode_learning(self, texts: Sequence[str]) -> Tensor:
        """The same, with a way back for gradients."""


@dataclass(frozen=True, slots=True)
class Clip:
    """An image tower and a text tower that share a space."""

    card: TowerCard
    vision: VisionTower | ConvTower
    text: TextTower
    # The image network and the text network, disjoint: to move them to a device and dtype.
    modules: tuple[torch.nn.Module, torch.nn.Module]


def is_transformer(tower: VisionTower | ConvTower) -> TypeGuard[VisionTower]:
    return hasattr(tower, "blocks_on")
