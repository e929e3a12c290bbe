"""The engines that need no training: a CLIP tower's cells compared with phrases.

They differ in the last attention block only (`last_block`, `scclip`); towers of convolutions need
no change at all (`conv`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeGuard

import torch
from torch import Tensor
from torch.nn import functional

from ovseg_annotate.backbones.templates import published_templates
from ovseg_annotate.backbones.tower import Clip, ConvTower, VisionTower, is_transformer
from ovseg_annotate.backbones.weights import load_clip
from ovseg_annotate.card import EngineCard, FoldRule, TilingGrade
from ovseg_annotate.descriptions.options import EnrichOptions
from ovseg_annotate.engine import check_windows
from ovseg_annotate.engines import last_block
from ovseg_annotate.engines.enriched_text import Words, words_of
from ovseg_annotate.engines.last_block import LastBlock, dense_tokens
from ovseg_annotate.engines.request import EngineRequest
from ovseg_annotate.engines.scclip import Calibration, Depths, scclip_tokens
from ovseg_annotate.errors import ModelError, OptionError
from ovseg_annotate.geometry import Size
from ovseg_annotate.options import digest_text, read_options
from ovseg_annotate.scores import ClassScores, fold
from ovseg_annotate.text.bank import TextBank
from ovseg_annotate.text.encoder import PhraseEncoder, Wording, plain_words
from ovseg_annotate.text.store import VectorStore
from ovseg_annotate.text.templates import TemplateSet, templates_named
from ovseg_annotate.vocabulary import Vocabulary

# (batch, 3, height, width) -> (batch, cells, shared width) of any length, and the grid
DenseEncoder: TypeAlias = Callable[[Tensor], tuple[Tensor, Size]]

_LOGITS_AT_ONCE = 2**24  # 64 MB, so that thousands of phrases fit
_VERSION = "1"  # changes when the features of equal windows would
_SIGMA = 5.0


@dataclass(frozen=True, slots=True)
class DenseClipOptions:
    """What can be set on the training-free engines."""

    sigma: float = _SIGMA  # naclip: reach of the neighbourhood, in cells
    scale: float | None = None  # of cosines before the softmax; None: the tower's or engine's
    fold: FoldRule = "max"  # how the phrases of a concept count: the strongest, or all together
    templates: Literal["auto"] | TemplateSet = "auto"  # auto: the set the tower is best with
    enrich: EnrichOptions | None = None  # how words are described; None: not at all

    def __post_init__(self) -> None:
        for name, value in (("sigma", self.sigma), ("scale", self.scale)):
            if value is not None and not 0 < value < float("inf"):
                raise OptionError(f"option {name!r}: got {value:g}; allowed: a number above 0")


@dataclass(frozen=True, slots=True, eq=False)
class PatchFeatures:
    """A unit vector for every cell, in the space that text and image share."""

    tokens: Tensor  # (windows, rows, columns, width)


@dataclass(frozen=True, slots=True)
class _Habit:
    """What papers use with an engine, for towers that do not say better."""

    scale: float = 40.0
    threshold: float = 0.1


_HABITS = {"clearclip": _Habit(scale=50.0), "scclip": _Habit(threshold=0.15)}


def open_dense_clip(request: EngineRequest) -> DenseClip:
    """Load the weights and put the named engine on them."""
    options = read_options(DenseClipOptions, request.options)
    clip = load_clip(request.weights, offline=request.offline, progress=request.progress)
    store = None if request.cache is None else VectorStore(request.cache)
    enrich = options.enrich or EnrichOptions()
    words = words_of(clip, enrich, request.cache, offline=request.offline)
    return DenseClip(request.engine, clip, options, store, words)


class DenseClip:
    """One of the training-free engines on one tower."""

    def __init__(
        self,
        name: str,
        clip: Clip,
        options: DenseClipOptions | None = None,
        store: VectorStore | None = None,
        words: Words = plain_words,
    ) -> None:
        options = options or DenseClipOptions()
        if options.sigma != _SIGMA and name != "naclip":
            raise OptionError(f"option 'sigma' is for naclip; {name} has no neighbourhood to set")
        self._clip = clip
        self._fold: FoldRule = options.fold
        self._encode = _dense_encoder(name, clip, options.sigma)
        habit = _HABITS.get(name, _Habit())
        self._scale = options.scale or clip.card.scale or habit.scale
        wanted = clip.card.templates if options.templates == "auto" else options.templates
        wording = Wording(clip.card.weights_digest, templates_named(wanted, published_templates))
        self._phrases = PhraseEncoder(clip.text, wording, store)
        self._words = words
        self._card = _card(name, clip, options, habit.threshold)

    @property
    def card(self) -> EngineCard:
        return self._card

    @property
    def features_kind(self) -> type[object]:
        return PatchFeatures

    def encode_text(self, vocabulary: Vocabulary) -> TextBank:
        return self._words(self._phrases, vocabulary)

    def encode_image(self, windows: Tensor) -> PatchFeatures:
        """(windows, 3, height, width), normalised; sides are multiples of the card's."""
        check_windows(windows, self._card)
        with torch.no_grad():
            tokens, grid = self._encode(windows)
            unit = functional.normalize(tokens.float(), dim=-1).to(windows.dtype)
        return PatchFeatures(unit.view(len(windows), grid.height, grid.width, -1))

    def score(self, features: object, text: TextBank) -> ClassScores:
        with torch.no_grad():
            values = self._probabilities(self.cell_vectors(features), text)
        return ClassScores(values, competing=True, vocabulary=text.vocabulary)

    def cell_vectors(self, features: object) -> Tensor:
        if not isinstance(features, PatchFeatures):
            raise ModelError(
                f"{self._card.name} scores PatchFeatures, got {type(features).__name__}; encode "
                "the windows with the same engine"
            )
        return features.tokens

    def score_vectors(self, vectors: Tensor, text: TextBank) -> ClassScores:
        return self.score(PatchFeatures(vectors[None, None]), text)

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        """The text network stays in float32: its vectors are kept and must not depend on dtype."""
        image, text = self._clip.modules
        image.to(device=device, dtype=dtype)
        text.to(device=device)

    def _probabilities(self, tokens: Tensor, text: TextBank) -> Tensor:
        """(windows, concepts, rows, columns), a span of cells at a time."""
        windows, rows, columns, _ = tokens.shape
        concepts, owners = len(text.vocabulary), text.vocabulary.phrase_owners
        phrases = text.embeddings.to(tokens.device)
        values = torch.empty(windows, concepts, rows * columns, device=tokens.device)
        for some, cells in _spans(windows, rows * columns, len(owners)):
            logits = self._scale * cosines(tokens.flatten(1, 2)[some, cells], phrases)
            values[some, :, cells] = fold(logits, owners, concepts, self._fold).transpose(0, 1)
        return values.view(windows, concepts, rows, columns)


def cosines(tokens: Tensor, phrases: Tensor) -> Tensor:
    """Unit (windows, cells, width) x unit (phrases, width) -> (phrases, windows, cells) float32."""
    if tokens.shape[-1] != phrases.shape[-1]:
        raise ModelError(
            f"features of width {tokens.shape[-1]} and phrases of width {phrases.shape[-1]} come "
            "from different weights; encode the words with the engine that encodes the windows"
        )
    values = phrases @ tokens.float().flatten(0, 1).T
    return values.view(len(phrases), *tokens.shape[:2])


def _spans(
    windows: int, cells: int, phrases: int, logits: int = _LOGITS_AT_ONCE
) -> Iterator[tuple[slice, slice]]:
    """Cut (windows, cells) so that a piece has at most that many logits, or is one cell."""
    most = max(logits // phrases, 1)
    step = max(most // cells, 1)
    for first in range(0, windows, step):
        for start in range(0, cells, most):
            yield slice(first, first + step), slice(start, start + most)


def _dense_encoder(name: str, clip: Clip, sigma: float) -> DenseEncoder:
    tower = clip.vision
    if name == "conv":
        if not _is_convolutional(tower):
            raise ModelError(
                f"conv is for towers of convolutions and {clip.card.name} is a vision transformer; "
                f"write naclip@{clip.card.name}"
            )
        return tower.dense
    if not is_transformer(tower):
        raise ModelError(
            f"{name} changes the attention of a vision transformer and {clip.card.name} has none; "
            f"write conv@{clip.card.name}"
        )
    if name == "scclip":
        depths = Depths.of(len(tower.blocks))
        return lambda images: scclip_tokens(tower, images, depths, Calibration())
    last = _last_block(name, sigma)
    return lambda images: dense_tokens(tower, images, last)


def _last_block(name: str, sigma: float) -> LastBlock:
    if name == "naclip":
        return LastBlock(last_block.naclip(sigma), keeps_rest=False)
    if name == "clearclip":
        return LastBlock(last_block.clearclip, keeps_rest=False)
    if name == "sclip":
        return LastBlock(last_block.sclip, keeps_rest=True)
    if name == "maskclip":
        # Left out as in ClearCLIP's rerun: 29.5 instead of 28.0 mIoU on B/16, 29.1 on L/14 (13.7).
        return LastBlock(last_block.maskclip, keeps_rest=False)
    raise ValueError(f"no such training-free engine: {name!r}")


def _is_convolutional(tower: VisionTower | ConvTower) -> TypeGuard[ConvTower]:
    return hasattr(tower, "dense")


def _card(name: str, clip: Clip, options: DenseClipOptions, threshold: float) -> EngineCard:
    tower = clip.card
    return EngineCard(
        name=f"{name}@{tower.name}",
        version=_VERSION,
        window=tower.window,
        multiple_of=tower.stride,
        stride=tower.stride,
        mean=tower.mean,
        std=tower.std,
        short_side=tower.short_side,
        magnification=tower.magnification,
        overlap=tower.overlap,
        tiling=TilingGrade.LOCAL,
        half_precision=tower.half_precision,
        trainable=False,
        threshold=threshold if tower.threshold is None else tower.threshold,
        weights_digest=tower.weights_digest,
        licence=tower.licence,
        feature_options=f"sigma={options.sigma}" if name == "naclip" else "",
        options=digest_text(options),
        known_words=tower.known_words,
        pointable=True,
        folds=options.fold,
    )
