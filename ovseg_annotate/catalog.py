"""Every engine by name, and the weights that are known to serve them well.

A model is written ENGINE@WEIGHTS: `naclip@mini`, `naclip@ViT-B-16-quickgelu/openai`,
`conv@path/to/folder`. Engines of other packages join through the entry-point group
`ovseg_annotate.engines`, each as NAME = "module:opener" with the opener an `EngineOpener`.
Importing this module imports no engine and no torch.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import entry_points
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ovseg_annotate.errors import ModelError, listed_by_nearness
from ovseg_annotate.known_weights import KNOWN_WEIGHTS, TRANSFORMERS, KnownWeights
from ovseg_annotate.lessons.model_names import digest_with, split_model
from ovseg_annotate.lessons.version import read_version
from ovseg_annotate.plain_data import json_value

if TYPE_CHECKING:
    from ovseg_annotate.backbones.weights import DownloadProgress
    from ovseg_annotate.engine import Engine

DEFAULT_MODEL = "naclip@mini"  # needs no network
ENTRY_POINT_GROUP = "ovseg_annotate.engines"

_ASSETS = Path(__file__).parent / "assets"
_WEIGHTS_FILE = "open_clip_model.safetensors"
_HUB_FILES = (_WEIGHTS_FILE, "open_clip_pytorch_model.bin")  # open_clip tries them in this order
_NO_OPTIONS: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class EngineEntry:
    """One line of the catalogue."""

    name: str
    description: str
    opener: str  # "module:attribute" of an `EngineOpener`
    options: str | None  # "module:attribute" of its options dataclass; None: not told
    trained: bool = False  # its weights come from a training of its own, not with a tower
    head: bool = False  # on a tower that stays as it is: `engine.FineTunable`


def _training_free(name: str, description: str) -> EngineEntry:
    module = "ovseg_annotate.engines.dense_clip"
    return EngineEntry(
        name,
        f"{description}; no training",
        f"{module}:open_dense_clip",
        f"{module}:DenseClipOptions",
    )


def _trained(name: str, description: str, *, head: bool = False) -> EngineEntry:
    module = f"ovseg_annotate.engines.{name}"
    return EngineEntry(
        name,
        f"{description}; trained",
        f"{module}:open_{name}",
        f"{module}:OPTIONS",
        trained=True,
        head=head,
    )


def _head(name: str, description: str) -> EngineEntry:
    return _trained(name, description, head=True)


ENGINES: tuple[EngineEntry, ...] = (
    _training_free("naclip", "neighbours attend to one another; the default"),
    _training_free("clearclip", "like attends to like, without residual; the simplest"),
    _training_free("sclip", "like attends to like, residual kept"),
    _training_free("maskclip", "every cell for itself; a baseline"),
    _training_free("scclip", "repairs odd cells, uses middle layers; best published, slower"),
    _training_free("conv", "for ConvNeXt towers, whose features are dense as they are"),
    _head("catseg", "refines cosines over space and concepts; what the next ones add to"),
    _head("logoseg", "holds back what is not there, sees regions and neighbours"),
    _head("fgaseg", "words look at the window first; a local map beside the cosines"),
    _head("lmseg", "cells of a second tower mixed in, words with what things look like"),
    _trained("pgseg", "cells gather in a few groups, and a group is what its words say"),
    _trained("sseg", "queries find masks, words of its own find queries; S-Seg and S-Seg+"),
)


class State(StrEnum):
    """Where weights are."""

    BUNDLED = "bundled"  # in this package
    CACHED = "cached"  # on this machine
    DOWNLOADABLE = "downloadable"


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """Weights that can be used now or fetched, and the engines that take them."""

    weights: str
    engines: tuple[str, ...]  # the recommended one first
    state: State
    megabytes: int
    licence: str
    description: str

    @property
    def name(self) -> str:
        """How to ask for it, with the recommended engine."""
        return f"{self.engines[0]}@{self.weights}"


@dataclass(frozen=True, slots=True)
class ModelName:
    """ENGINE@WEIGHTS, taken apart."""

    engine: str
    weights: str

    def __str__(self) -> str:
        return f"{self.engine}@{self.weights}"


def parse_model(text: str) -> ModelName:
    """Read ENGINE@WEIGHTS; the weights may be a path that contains another @.

    A version behind it (`lessons.model_names`) is taken off before.
    """
    engine, at, weights = text.strip().partition("@")
    engine, weights = engine.strip(), weights.strip()
    if not at or not engine or not weights:
        known = engine in {entry.name for entry in engines()}
        example = f"{engine}@mini" if known else f"naclip@{engine or weights or 'mini'}"
        raise ModelError(
            f"model {text!r} is not of the form ENGINE@WEIGHTS; write for example {example}"
        )
    return ModelName(engine, weights)


def engines() -> tuple[EngineEntry, ...]:
    """The engines of this package, then those of others; a name of ours cannot be taken over."""
    ours = {entry.name for entry in ENGINES}
    theirs = (
        EngineEntry(point.name, f"from {point.dist.name}" if point.dist else "", point.value, None)
        for point in entry_points(group=ENTRY_POINT_GROUP)
        if point.name not in ours
    )
    return (*ENGINES, *sorted(theirs, key=lambda entry: entry.name))


def engine_named(name: str) -> EngineEntry:
    entries = {entry.name: entry for entry in engines()}
    if name not in entries:
        raise ModelError(
            f"unknown engine {name!r}; there is: {listed_by_nearness(name, entries)}; "
            "a model is written ENGINE@WEIGHTS"
        )
    return entries[name]


def options_of(engine: str) -> type[Any] | None:
    """The options dataclass of an engine, for forms and flags; None: the engine does not tell."""
    where = engine_named(engine).options
    kind: type[Any] | None = None if where is None else _loaded(where)
    return kind


def open_engine(
    model: str,
    options: Mapping[str, object] = _NO_OPTIONS,
    *,
    cache: Path | None = None,
    offline: bool = False,
    progress: Callable[[DownloadProgress], None] | None = None,
) -> Engine:
    """Load an engine with its weights; `cache` is a folder for text vectors, None: memory only."""
    name = parse_model(model)
    opener = _loaded(engine_named(name.engine).opener)
    from ovseg_annotate.engines.request import EngineRequest  # noqa: PLC0415  imports torch

    opened: Engine = opener(
        EngineRequest(name.engine, name.weights, options, cache, offline, progress)
    )
    return opened


def weights_digest(model: str) -> str | None:
    """What a session of this model will give as its own, without building any network.

    None: the weights are not on this machine yet, or only the loaded engine knows.
    """
    base, version = split_model(model)
    digest = _engine_digest(base)
    if version is None or digest is None:
        return digest
    return digest_with(digest, read_version(version).card.digest)


def _engine_digest(model: str) -> str | None:
    """The digest on the engine's card."""
    name = parse_model(model)
    entry = engine_named(name.engine)
    if entry not in ENGINES:
        return None
    if entry.trained:
        from ovseg_annotate.backbones.system_folder import find_system  # noqa: PLC0415

        if Path(name.weights).expanduser().is_file():  # a published checkpoint
            return None
        return find_system(name.engine, name.weights).digest
    from ovseg_annotate.backbones.digests import tower_digest  # noqa: PLC0415

    return tower_digest(name.weights)


def models(hub_cache: Path | None = None) -> tuple[ModelEntry, ...]:
    """Weights by name: bundled ones first, then those worth fetching; asks no network.

    `hub_cache` None is the hub's own place.
    """
    return (*_bundled(), *(_entry(known, hub_cache) for known in KNOWN_WEIGHTS))


def _bundled() -> tuple[ModelEntry, ...]:
    entries = []
    for folder in sorted(_ASSETS.iterdir()) if _ASSETS.is_dir() else ():
        weights, card = folder / _WEIGHTS_FILE, folder / "card.json"
        if weights.is_file() and card.is_file():
            facts: dict[str, object] = json_value(card.read_text(encoding="utf-8"))
            licence = str(facts.get("licence", "unknown"))
            description = str(facts.get("description", "comes with this package"))
            size = _megabytes(weights)
            entries.append(
                ModelEntry(folder.name, TRANSFORMERS, State.BUNDLED, size, licence, description)
            )
            entries += _systems_on(folder)
    return tuple(entries)


def _systems_on(tower: Path) -> Iterator[ModelEntry]:
    """The trained systems that come with a tower."""
    from ovseg_annotate.backbones.system_folder import find_system, is_system  # noqa: PLC0415

    for entry in ENGINES:
        if entry.trained and is_system(tower / entry.name):
            system = find_system(entry.name, tower.name)
            yield ModelEntry(
                tower.name,
                (entry.name,),
                State.BUNDLED,
                _megabytes(system.weights),
                system.card.licence,
                entry.description,
            )


def _megabytes(file: Path) -> int:
    return max(round(file.stat().st_size / 1e6), 1)


def _entry(known: KnownWeights, hub_cache: Path | None) -> ModelEntry:
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415  slow to import

    cached = any(
        isinstance(try_to_load_from_cache(known.repository, file, cache_dir=hub_cache), str)
        for file in _HUB_FILES
    )
    state = State.CACHED if cached else State.DOWNLOADABLE
    return ModelEntry(
        known.name, known.engines, state, known.megabytes, known.licence, known.description
    )


def _loaded(where: str) -> Any:
    module, _, attribute = where.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ModelError(
            f"cannot load the engine at {where}: {error}; install the package it comes from again"
        ) from error
