"""Which weights a name means, without building their network; this module imports no torch."""

from __future__ import annotations

import functools
import hashlib
import string
from pathlib import Path
from typing import TYPE_CHECKING

from ovseg_annotate.backbones.folder import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    bundled_folder,
    bundled_names,
)

if TYPE_CHECKING:
    from ovseg_annotate.backbones.hub import HuggingFaceHub

RANDOM = "random:"  # begins the name of weights that are drawn, not read

_SHA256_DIGITS = 64


def sha256_of(file: Path) -> str:
    """Computed once for each version of a file, as size and time of change tell them apart."""
    path = file.resolve()
    status = path.stat()
    return _sha256_of_version(path, status.st_size, status.st_mtime_ns)


def tower_digest(name: str, hub: HuggingFaceHub | None = None) -> str | None:
    """The `weights_digest` of the card that `load_clip` would give; None: to be fetched first."""
    if name.startswith(RANDOM):
        return digest_of_random(name)
    folder = bundled_folder(name) if name in bundled_names() else Path(name).expanduser()
    if (folder / CONFIG_FILE).is_file():
        weights = folder / WEIGHTS_FILE
        return sha256_of(weights) if weights.is_file() else None
    # They import open_clip, which takes seconds.
    from ovseg_annotate.backbones.hub import HuggingFaceHub  # noqa: PLC0415
    from ovseg_annotate.backbones.published import find_published  # noqa: PLC0415

    file = (hub or HuggingFaceHub()).cached(find_published(name))
    if file is None:
        return None
    # The hub names a large file by its sha256, and loading refuses one that is not what it says.
    stored = file.resolve()
    return stored.name if is_sha256(stored.name) else sha256_of(stored)


def digest_of_random(name: str) -> str:
    """There is no file: the name, and torch, which draws the numbers, stand for it."""
    import torch  # noqa: PLC0415

    return hashlib.sha256(f"{name} torch {torch.__version__}".encode()).hexdigest()


def is_sha256(text: str) -> bool:
    return len(text) == _SHA256_DIGITS and set(text) <= set(string.hexdigits)


@functools.lru_cache(maxsize=64)
def _sha256_of_version(path: Path, size: int, changed: int) -> str:
    del size, changed  # they are there to be remembered
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
