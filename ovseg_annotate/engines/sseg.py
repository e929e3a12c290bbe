"""S-Seg and S-Seg+: queries find masks, words find queries.

Both run alike and differ in how they were trained, which the card of the weights tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from ovseg_annotate.backbones.checkpoints import fill, read_state
from ovseg_annotate.backbones.mask_pyramids import IMAGENET_MEAN, IMAGENET_STD
from ovseg_annotate.backbones.mask_text import CaptionReader
from ovseg_annotate.backbones.system_folder import SystemFolder, find_system
from ovseg_annotate.backbones.templates import published_templates
from ovseg_annotate.backbones.tower import Clip
from ovseg_annotate.backbones.weights import load_clip
from ovseg_annotate.card import EngineCard, FoldRule, TilingGrade
from ovseg_annotate.engine import check_windows
from ovseg_annotate.engines.request import EngineRequest
from ovseg_annotate.errors import ModelError, OptionError, WeightsError
from ovseg_annotate.geometry import Size
from ovseg_annotate.masks.concepts import Combine, concept_shares
from ovseg_annotate.masks.network import MaskNetwork, MaskParts, build_mask_network
from ovseg_annotate.options import digest_text, read_options
from ovseg_annotate.scores import ClassScores, fold
from ovseg_annotate.text.bank import TextBank
from ovseg_annotate.text.encoder import PhraseEncoder, Wording
from ovseg_annotate.text.store import VectorStore
from ovseg_annotate.text.templates import TemplateSet, templates_named
from ovseg_annotate.vocabulary import Vocabulary

_VERSION = "1"  # changes when the features of equal windows would
_THRESHOLD = 0.1


@dataclass(frozen=True, slots=True)
class SsegOptions:
    """What can be set on S-Seg."""

    combine: Combine = "marginal"  # every mask speaks, or the strongest one of a cell alone
    scale: float | None = None  # of cosines before the softmax; None: as it was learnt
    fold: FoldRule = "max"  # how the phrases of a concept count: the strongest, or all together
    templates: Literal["auto"] | TemplateSet = "auto"  # auto: phrases as they are

    def __post_init__(self) -> None:
        if self.scale is not None and not 0 < self.scale < float("inf"):
            raise OptionError(f"option 'scale': got {self.scale:g}; allowed: a number above 0")


OPTIONS = SsegOptions


@dataclass(frozen=True, slots=True, eq=False)
class QueryFeatures:
    """What every query sees, and where."""

    masks: Tensor  # (windows, queries, rows, columns), 0 to 1
    vectors: Tensor  # (windows, queries, width), unit length


def open_sseg(request: EngineRequest) -> SsegEngine:
    """Load trained weights by name, and the tower they stand on."""
    options = read_options(OPTIONS, request.options)
    folder = find_system(request.engine, request.weights)
    parts = parts_of(folder)
    clip = None
    if parts.pyramid.tower:
        clip = load_clip(parts.pyramid.tower, offline=request.offline, progress=request.progress)
        folder.check_tower(clip.card.weights_digest)
    network = build_mask_network(parts, clip, seed=0)
    fill(network, _in_float32(read_state(folder.weights)), folder.weights)
    store = None if request.cache is None else VectorStore(request.cache)
    return SsegEngine(_card(folder, parts, network, clip, options), network, clip, options, store)


class SsegEngine:
    """A trained mask transformer with its own words."""

    def __init__(
        self,
        card: EngineCard,
        network: MaskNetwork,
        clip: Clip | None,
        options: SsegOptions,
        store: VectorStore | None = None,
    ) -> None:
        self._card = card
        self._network = network.eval().requires_grad_(requires_grad=False)
        self._clip = clip
        self._options = options
        wanted = "plain" if options.templates == "auto" else options.templates
        wording = Wording(card.weights_digest, templates_named(wanted, published_templates))
        self._phrases = PhraseEncoder(CaptionReader(network.text), wording, store)

    @property
    def card(self) -> EngineCard:
        return self._card

    @property
    def features_kind(self) -> type[object]:
        return QueryFeatures

    def encode_text(self, vocabulary: Vocabulary) -> TextBank:
        return self._phrases.bank(vocabulary)

    def encode_image(self, windows: Tensor) -> QueryFeatures:
        check_windows(windows, self._card)
        with torch.no_grad():
            seen = self._network.see(windows)
            vectors = functional.normalize(seen.vectors.float(), dim=-1)
            masks = seen.masks[-1].float().sigmoid()
        return QueryFeatures(masks.to(windows.dtype), vectors.to(windows.dtype))

    def score(self, features: object, text: TextBank) -> ClassScores:
        if not isinstance(features, QueryFeatures):
            raise ModelError(
                f"{self._card.name} scores QueryFeatures, got {type(features).__name__}; encode "
                "the windows with the same engine"
            )
        with torch.no_grad():
            shares = self._shares(features.vectors.float(), text)
            values = concept_shares(shares, features.masks.float(), self._options.combine)
        return ClassScores(values, competing=True, vocabulary=text.vocabulary)

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        """The text tower stays in float32: its vectors are kept and must not depend on dtype."""
        network = self._network.to(device)
        for part in (network.pyramid, network.decoder, network.projection):
            part.to(dtype=dtype)
        if self._clip is not None:
            self._clip.modules[0].to(device=device, dtype=dtype)

    def _shares(self, vectors: Tensor, text: TextBank) -> Tensor:
        """(windows, queries, width) -> (windows, queries, concepts) that sum to one."""
        if vectors.shape[-1] != text.embeddings.shape[1]:
            raise ModelError(
                f"features of width {vectors.shape[-1]} and phrases of width "
                f"{text.embeddings.shape[1]} come from different weights; encode the words with "
                "the engine that encodes the windows"
            )
        owners, concepts = text.vocabulary.phrase_owners, len(text.vocabulary)
        scale = self._options.scale or float(self._network.scale)
        phrases = text.embeddings.to(vectors.device)
        logits = scale * torch.einsum("pd,wqd->pwq", phrases, vectors)
        return fold(logits, owners, concepts, self._options.fold).permute(1, 2, 0)


def parts_of(folder: SystemFolder) -> MaskParts:
    """What a system was built of, as its card tells."""
    try:
        return read_options(MaskParts, folder.card.parts)
    except (OptionError, TypeError) as error:
        raise WeightsError(
            f"{folder.path}: the card does not say what the network is made of ({error}); export "
            "the system again"
        ) from error


def _in_float32(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.float() for name, value in state.items()}


def _card(
    folder: SystemFolder,
    parts: MaskParts,
    network: MaskNetwork,
    clip: Clip | None,
    options: SsegOptions,
) -> EngineCard:
    own, pyramid, side = folder.card, network.pyramid, parts.pyramid.side
    tower = None if clip is None else clip.card
    return EngineCard(
        name=f"sseg@{folder.name}",
        version=_VERSION,
        window=Size(side, side) if tower is None else tower.window,
        multiple_of=pyramid.multiple_of,
        stride=pyramid.stride,
        mean=IMAGENET_MEAN if tower is None else tower.mean,
        std=IMAGENET_STD if tower is None else tower.std,
        short_side=2 * side if tower is None else tower.short_side,
        overlap=0.5 if tower is None else tower.overlap,
        tiling=TilingGrade.LOCAL,
        half_precision=True,
        trainable=True,
        threshold=_THRESHOLD if own.threshold is None else own.threshold,
        weights_digest=folder.digest,
        licence=own.licence,
        feature_options="",
        options=digest_text(options),
        known_words=own.known_words,
    )
