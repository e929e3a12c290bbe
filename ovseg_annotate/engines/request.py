"""What the catalogue hands to the function that opens an engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ovseg_annotate.engine import Engine

if TYPE_CHECKING:
    from ovseg_annotate.backbones.weights import DownloadProgress


@dataclass(frozen=True, slots=True)
class EngineRequest:
    """One engine on one set of weights."""

    engine: str  # its name in the catalogue
    weights: str  # the part after the @
    options: Mapping[str, object]  # for `read_options` with the engine's own kind
    cache: Path | None  # folder for text vectors; None: in memory only
    offline: bool  # fetch nothing
    progress: Callable[[DownloadProgress], None] | None


EngineOpener: TypeAlias = Callable[[EngineRequest], Engine]
