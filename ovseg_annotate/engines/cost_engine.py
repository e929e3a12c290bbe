"""The engines that are a trained head on a tower: features in, independent probabilities out.

A system gives the parts; the verbs are the same for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal, Protocol, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from ovseg_annotate.backbones.checkpoints import fill, read_state
from ovseg_annotate.backbones.system_folder import SystemCard, SystemFolder, find_system
from ovseg_annotate.backbones.taps import TappedFeatures, tapped_features, usual_taps
from ovseg_annotate.backbones.templates import published_templates
from ovseg_annotate.backbones.tower import Clip, VisionTower, is_transformer
from ovseg_annotate.backbones.weights import load_clip
from ovseg_annotate.card import EngineCard, TilingGrade
from ovseg_annotate.cost.options import TrunkOptions, TrunkSizes
from ovseg_annotate.cost.trunk import FINENESS, probabilities
from ovseg_annotate.engine import check_windows
from ovseg_annotate.engines.request import EngineRequest
from ovseg_annotate.errors import ModelError, WeightsError
from ovseg_annotate.geometry import Size
from ovseg_annotate.options import digest_text
from ovseg_annotate.scores import ClassScores
from ovseg_annotate.text.bank import TextBank
from ovseg_annotate.text.encoder import PhraseEncoder, WordEncoder, Wording, plain_words
from ovseg_annotate.text.store import VectorStore
from ovseg_annotate.text.templates import TemplateSet, templates_named
from ovseg_annotate.vocabulary import Vocabulary

_VERSION = "1"  # changes when the features of equal windows would
_AS_TRAINED: Mapping[str, object] = MappingProxyType({})
_THRESHOLD = 0.5  # of a probability that was trained as one


class RunOptions(Protocol):
    """What can be set on every engine of this kind; a system may have more."""

    @property
    def keep(self) -> int | None: ...

    @property
    def templates(self) -> Literal["auto"] | TemplateSet: ...


@dataclass(frozen=True, slots=True)
class CostOptions:
    """What can be set on an engine of this kind; None: as it was trained."""

    keep: int | None = None  # concepts that are scored in a window, those with the highest peak
    templates: Literal["auto"] | TemplateSet = "auto"  # auto: the set the tower is best with


@dataclass(frozen=True, slots=True, eq=False)
class System:
    """What one system adds to the verbs, on a tower; the head may still have to be trained."""

    name: str  # in the catalogue
    clip: Clip
    head: nn.Module  # (features, text) -> logits, see `cost.trunk.Head`; has `losses`
    see: Callable[[Tensor], Any]  # windows -> features, which gradients may flow through
    features: type[Any]  # a frozen dataclass of tensors with the fields of `TappedFeatures`
    parts: Mapping[str, object]  # what the head is made of, as its card will tell
    guides: tuple[nn.Module, ...] = ()  # what `see` runs beside the tower
    training_only: tuple[str, ...] = ()  # beginnings of the head's weights that answers need not
    words: Callable[[WordEncoder, Vocabulary], TextBank] = plain_words


@dataclass(frozen=True, slots=True)
class Trained:
    """Which weights a system has."""

    card: SystemCard
    digest: str  # of all weights that answers depend on
    text_digest: str  # of those that vectors of words depend on


# Makes a system on a tower, of the parts in a card or a recipe.
SystemMaker: TypeAlias = Callable[[Clip, Mapping[str, object]], System]


class CostEngine:
    """A trained head on a tower."""

    def __init__(self, card: EngineCard, system: System, phrases: PhraseEncoder) -> None:
        self._card = card
        self._system = system
        self._phrases = phrases
        self.head.eval().requires_grad_(requires_grad=False)

    @property
    def card(self) -> EngineCard:
        return self._card

    @property
    def head(self) -> nn.Module:
        return self._system.head

    @property
    def features_kind(self) -> type[object]:
        return self._system.features

    def with_head(self, head: nn.Module) -> CostEngine:
        """The same engine with another head; tower, guides and words are shared."""
        return CostEngine(self._card, replace(self._system, head=head), self._phrases)

    def encode_text(self, vocabulary: Vocabulary) -> TextBank:
        return self._system.words(self._phrases, vocabulary)

    def encode_image(self, windows: Tensor) -> object:
        check_windows(windows, self._card)
        with torch.no_grad():
            return self._system.see(windows)

    def score(self, features: object, text: TextBank) -> ClassScores:
        if not isinstance(features, self._system.features):
            raise ModelError(
                f"{self._card.name} scores {self._system.features.__name__}, got "
                f"{type(features).__name__}; encode the windows with the same engine"
            )
        seen: Any = features
        vectors = concept_vectors(text).to(seen.cells.device)
        values = probabilities(self.head, seen, vectors[None, :, None])
        return ClassScores(values, competing=False, vocabulary=text.vocabulary)

    def concept_vectors(self, text: TextBank) -> Tensor:
        return concept_vectors(text)

    def logits(self, head: nn.Module, features: object, vectors: Tensor) -> Tensor:
        logits: Tensor = head(features, vectors[None, :, None])
        return logits

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        """The head and the text network stay in float32: the head's cost is small beside."""
        image, text = self._system.clip.modules
        for network in (image, *self._system.guides):
            network.to(device=device, dtype=dtype)
        for network in (text, self.head):
            network.to(device=device)


def concept_vectors(text: TextBank) -> Tensor:
    """(concepts, width), unit length: the mean of each concept's phrases."""
    owners = torch.tensor(text.vocabulary.phrase_owners, device=text.embeddings.device)
    shape = (len(text.vocabulary), text.embeddings.shape[1])
    total = text.embeddings.new_zeros(shape).index_add_(0, owners, text.embeddings)
    return normalize(total, dim=1)


def open_cost_engine(
    request: EngineRequest,
    make: SystemMaker,
    options: RunOptions,
    changes: Mapping[str, object] = _AS_TRAINED,
) -> CostEngine:
    """Load trained weights by name; `changes` are parts to run otherwise than they were trained."""
    folder = find_system(request.engine, request.weights)
    clip = load_clip(folder.card.tower, offline=request.offline, progress=request.progress)
    folder.check_tower(clip.card.weights_digest)
    parts = {**folder.card.parts, **changes}
    if options.keep is not None:
        parts["trunk"] = {**_table(parts.get("trunk", {})), "keep": options.keep}
    system = make(clip, parts)
    tuned = _fill_system(system, folder)
    text_digest = folder.digest if tuned else clip.card.weights_digest
    return running(system, Trained(folder.card, folder.digest, text_digest), request, options)


def running(
    system: System, trained: Trained, request: EngineRequest, options: RunOptions
) -> CostEngine:
    """The engine of a system whose weights are in it."""
    phrases = _phrase_encoder(system.clip, trained.text_digest, options.templates, request)
    name = f"{request.engine}@{request.weights}"
    return CostEngine(_engine_card(name, trained, system.clip, options), system, phrases)


def _table(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise WeightsError(f"the card of a system: trunk: expected a table, got {value!r}")
    return value


def _fill_system(system: System, folder: SystemFolder) -> bool:
    """Put the weights into the head, and into the tower's halves if they were tuned with it."""
    state = {name: value.float() for name, value in read_state(folder.weights).items()}
    image, text = system.clip.modules
    tuned = False
    for half, network in (("head", system.head), ("image", image), ("text", text)):
        prefix = f"{half}."
        own = {
            name[len(prefix) :]: state.pop(name) for name in list(state) if name.startswith(prefix)
        }
        if own or half == "head":
            fill(network, own, folder.weights)
            tuned |= half != "head"
    if state:
        raise WeightsError(
            f"{folder.weights}: tensors are named head..., image... or text..., the first other "
            f"one is {next(iter(state))}; train the system again"
        )
    return tuned


def tower_of(clip: Clip) -> VisionTower:
    """The vision tower of a CLIP as one whose blocks can be read."""
    if is_transformer(clip.vision):
        return clip.vision
    raise ModelError(
        f"{clip.card.name} is a tower of convolutions, and these heads read the blocks of a "
        "transformer; choose one such as ViT-B-16-quickgelu/openai"
    )


def seen_by(tower: VisionTower, options: TrunkOptions) -> Callable[[Tensor], TappedFeatures]:
    """Windows to features; the taps are where such heads usually have them."""
    taps = usual_taps(len(tower.blocks))
    return lambda windows: tapped_features(tower, windows, taps, options.last)


@torch.no_grad()
def fitted_to(tower: VisionTower, sizes: TrunkSizes) -> TrunkSizes:
    """The sizes with the widths of a tower that was just loaded."""
    window = tower.card.window
    tokens, _ = tower.embed(torch.zeros(1, 3, window.height, window.width))
    return replace(sizes, shared=tower.card.width, tower=tokens.shape[2])


def tower_wording(
    clip: Clip, digest: str | None = None, templates: Literal["auto"] | TemplateSet = "auto"
) -> Wording:
    """How a tower reads phrases; `digest` stands for the weights of its text half, if tuned."""
    wanted = clip.card.templates if templates == "auto" else templates
    return Wording(digest or clip.card.weights_digest, templates_named(wanted, published_templates))


def _phrase_encoder(
    clip: Clip, digest: str, templates: Literal["auto"] | TemplateSet, request: EngineRequest
) -> PhraseEncoder:
    store = None if request.cache is None else VectorStore(request.cache)
    return PhraseEncoder(clip.text, tower_wording(clip, digest, templates), store)


def _engine_card(name: str, trained: Trained, clip: Clip, options: object) -> EngineCard:
    tower, own = clip.card, trained.card
    return EngineCard(
        name=name,
        version=_VERSION,
        window=tower.window if own.window is None else Size(own.window, own.window),
        multiple_of=tower.stride,
        stride=_cell(tower.stride, name),
        mean=tower.mean,
        std=tower.std,
        short_side=tower.short_side,
        magnification=tower.magnification,
        overlap=tower.overlap,
        tiling=TilingGrade.LOCAL,
        half_precision=tower.half_precision,
        trainable=True,
        threshold=_THRESHOLD if own.threshold is None else own.threshold,
        weights_digest=trained.digest,
        licence=own.licence,
        feature_options="",
        options=digest_text(options),
        known_words=own.known_words or tower.known_words,
        pointable=False,
    )


def _cell(stride: int, name: str) -> int:
    if stride % FINENESS:
        raise ModelError(
            f"{name} stands on a tower with cells of {stride} px, which cannot be told {FINENESS} "
            "times as finely; choose a tower whose cells are a multiple of that"
        )
    return stride // FINENESS
