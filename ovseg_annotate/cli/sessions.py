"""The flags that open a session."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ovseg_annotate.catalog import DEFAULT_MODEL
from ovseg_annotate.errors import OptionError
from ovseg_annotate.vocabulary import Vocabulary

if TYPE_CHECKING:
    from ovseg_annotate.backbones.weights import DownloadProgress
    from ovseg_annotate.session import Session

Download: TypeAlias = "Callable[[DownloadProgress], None]"


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """What annotates, and where."""

    model: str = DEFAULT_MODEL  # ENGINE@WEIGHTS; "ovseg models" lists what there is
    engine_options: tuple[str, ...] = ()  # the engine's own, such as sigma=3,fold=sum
    device: str = "auto"  # auto, cpu, cuda, cuda:1, mps
    precision: str = "auto"  # auto, float32, bfloat16, float16
    cache: str = "none"  # keep image features on disk: none, default, or a folder
    offline: bool = False  # never use the network


def opened_session(options: SessionOptions, progress: Download | None = None) -> Session:
    """Load the model, as `open_session` does, and tell of downloads."""
    from ovseg_annotate.feature_store import FeatureStore  # noqa: PLC0415  imports torch
    from ovseg_annotate.session import open_session  # noqa: PLC0415  imports torch

    return open_session(
        options.model,
        device=options.device,
        precision=options.precision,
        cache=FeatureStore(folder=_cache_folder(options.cache)),
        engine_options=engine_options(options.engine_options),
        offline=options.offline,
        progress=progress,
    )


def engine_options(pairs: tuple[str, ...]) -> dict[str, str]:
    """Read name=value pairs."""
    options: dict[str, str] = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name.strip():
            raise OptionError(
                f"--engine-options: got {pair!r}; write name=value pairs separated by commas, "
                "such as sigma=3,fold=sum"
            )
        options[name.strip()] = value.strip()
    return options


def vocabulary_from(prompts: str) -> Vocabulary:
    """Read words as typed, or from the file behind an @."""
    if prompts.startswith("@"):
        return Vocabulary.read(Path(prompts[1:]).expanduser())
    return Vocabulary.parse(prompts)


def default_cache() -> Path:
    """Where image features are kept unless a folder is named."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "ovseg-annotate" / "features"


def _cache_folder(cache: str) -> Path | None:
    if cache == "none":
        return None
    return default_cache() if cache == "default" else Path(cache).expanduser()
