"""PGSeg: cells gather in a few groups, and a group is what its words say.

"Uncovering Prototypical Knowledge for Weakly Open-Vocabulary Semantic Segmentation" (Zhang et al.
2023). A window has as many different areas as the network has groups, 8 as published.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import interpolate, normalize

from ovseg_annotate.backbones.checkpoints import TORCH_ENDINGS
from ovseg_annotate.backbones.group_network import PIXEL_MEAN, PIXEL_STD, PgsegNetwork
from ovseg_annotate.backbones.group_text import GroupText
from ovseg_annotate.backbones.group_weights import GroupWeights, load_published, load_trained
from ovseg_annotate.backbones.system_folder import find_system
from ovseg_annotate.backbones.tokens import tokenizer_of_folder
from ovseg_annotate.card import EngineCard, FoldRule, TilingGrade
from ovseg_annotate.engine import check_windows
from ovseg_annotate.engines.request import EngineRequest
from ovseg_annotate.errors import ModelError, OptionError
from ovseg_annotate.geometry import Size
from ovseg_annotate.grouping.affinity import chances, hard_cells, spread
from ovseg_annotate.options import digest_text, read_options
from ovseg_annotate.scores import ClassScores, grouped
from ovseg_annotate.text.bank import TextBank
from ovseg_annotate.text.encoder import PhraseEncoder, Wording
from ovseg_annotate.text.store import VectorStore
from ovseg_annotate.vocabulary import Vocabulary

# hard, as published: a place belongs to one group. soft: it is a mixture of all.
Assignment: TypeAlias = Literal["hard", "soft"]

_VERSION = "1"  # changes when the features of equal windows would
_FINENESS = 4  # scores are told so many times as finely as cells, where the cells allow it
_THRESHOLD = 0.1


@dataclass(frozen=True, slots=True)
class PgsegOptions:
    """What can be set on PGSeg."""

    top_concepts: int = 5  # that a window may show, those it is most like as a whole; 0: all
    assign: Assignment = "hard"  # whether a place belongs to one group, or to all by shares
    fold: FoldRule = "max"  # how the phrases of a concept count: the strongest, or all together

    def __post_init__(self) -> None:
        if self.top_concepts < 0:
            raise OptionError(f"option 'top_concepts': got {self.top_concepts}; allowed: 0 or more")


OPTIONS = PgsegOptions


@dataclass(frozen=True, slots=True, eq=False)
class GroupFeatures:
    """What is kept of windows."""

    groups: Tensor  # (windows, groups, width), unit length
    whole: Tensor  # (windows, width), unit length
    assignment: Tensor  # (windows, groups, rows, columns): shares of cells, over groups


def open_pgseg(request: EngineRequest) -> PgsegEngine:
    """Load trained weights by name, or the authors' own from their file."""
    options = read_options(OPTIONS, request.options)
    if request.weights.endswith(TORCH_ENDINGS):
        loaded = load_published(Path(request.weights).expanduser(), request.weights)
    else:
        loaded = load_trained(find_system(request.engine, request.weights))
    store = None if request.cache is None else VectorStore(request.cache)
    return PgsegEngine(loaded, options, store)


class PgsegEngine:
    """The verbs on loaded weights."""

    def __init__(
        self,
        loaded: GroupWeights,
        options: PgsegOptions | None = None,
        store: VectorStore | None = None,
    ) -> None:
        network, sizes = loaded.network, loaded.parts.sizes
        self._network = network.eval().requires_grad_(requires_grad=False)
        self._prototypes = loaded.parts.prototypes
        self._options = options or PgsegOptions()
        self._card = _card(loaded, self._options)
        self._fineness = sizes.patch // self._card.stride
        tokenizer = tokenizer_of_folder(loaded.merges, sizes.text_tokens)
        tower = GroupText(network.text, network.text_projection, tokenizer, sizes.text_tokens)
        wording = Wording(loaded.digest, (loaded.parts.template,))
        self._phrases = PhraseEncoder(tower, wording, store)

    @property
    def card(self) -> EngineCard:
        return self._card

    @property
    def features_kind(self) -> type[object]:
        return GroupFeatures

    def encode_text(self, vocabulary: Vocabulary) -> TextBank:
        return self._phrases.bank(vocabulary)

    def encode_image(self, windows: Tensor) -> GroupFeatures:
        check_windows(windows, self._card)
        with torch.no_grad():
            return group_features(self._network, windows, prototypes=self._prototypes)

    def score(self, features: object, text: TextBank) -> ClassScores:
        if not isinstance(features, GroupFeatures):
            raise ModelError(
                f"{self._card.name} scores GroupFeatures, got {type(features).__name__}; encode "
                "the windows with the same engine"
            )
        with torch.no_grad():
            said = concept_chances(features, text, self._network.scale, self._options)
            values = placed(said, features.assignment, self._fineness, self._options.assign)
        return ClassScores(values, competing=True, vocabulary=text.vocabulary)

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        """Estimating prototypes is exact in float32 only: the card excludes other precisions."""
        self._network.to(device=device)


def group_features(network: PgsegNetwork, windows: Tensor, *, prototypes: bool) -> GroupFeatures:
    """(windows, 3, height, width), normalised -> what is kept of them."""
    seen = network.image(windows.float(), prototypes=prototypes)
    return GroupFeatures(
        groups=normalize(network.image_projection(seen.segments), dim=2),
        whole=normalize(network.image_projection(seen.pooled), dim=1),
        assignment=seen.assignment,
    )


def concept_chances(
    features: GroupFeatures, text: TextBank, scale: Tensor, options: PgsegOptions
) -> Tensor:
    """(windows, groups, concepts), adding up to 1 over the concepts."""
    if text.embeddings.shape[1] != features.groups.shape[2]:
        raise ModelError(
            f"groups of width {features.groups.shape[2]} and phrases of width "
            f"{text.embeddings.shape[1]} come from different weights; encode the words with the "
            "engine that encodes the windows"
        )
    phrases = text.embeddings.to(features.groups.device)
    groups, whole = (
        _of_concepts(scale * cells @ phrases.T, text.vocabulary, options.fold)
        for cells in (features.groups, features.whole)
    )
    return chances(groups, whole, options.top_concepts)


def placed(said: Tensor, assignment: Tensor, fineness: int, assign: Assignment) -> Tensor:
    """(windows, concepts, rows, columns), so many times as fine as the cells of the assignment."""
    fine = interpolate(assignment, scale_factor=fineness, mode="bilinear")
    return spread(said, hard_cells(fine) if assign == "hard" else fine)


def _of_concepts(logits: Tensor, vocabulary: Vocabulary, fold: FoldRule) -> Tensor:
    """(..., phrases) -> (..., concepts)."""
    owners, concepts = vocabulary.phrase_owners, len(vocabulary)
    phrases_first = logits.movedim(-1, 0)
    if fold == "sum":  # of chances: their logarithm is the logit of all phrases together
        return grouped(phrases_first.softmax(dim=0), owners, concepts, "sum").log().movedim(0, -1)
    return grouped(phrases_first, owners, concepts, "max").movedim(0, -1)


def _card(loaded: GroupWeights, options: PgsegOptions) -> EngineCard:
    parts = loaded.parts
    return EngineCard(
        name=f"pgseg@{loaded.name}",
        version=_VERSION,
        window=Size(parts.window, parts.window),
        multiple_of=parts.sizes.patch,
        stride=parts.sizes.patch // math.gcd(parts.sizes.patch, _FINENESS),
        mean=PIXEL_MEAN,
        std=PIXEL_STD,
        short_side=parts.short_side,
        magnification=parts.magnification,
        tiling=TilingGrade.LOCAL,
        half_precision=False,
        trainable=True,
        threshold=_THRESHOLD if loaded.threshold is None else loaded.threshold,
        weights_digest=loaded.digest,
        licence=loaded.licence,
        feature_options="",
        options=digest_text(options),
        known_words=loaded.known_words,
    )
