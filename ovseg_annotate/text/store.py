"""Vectors of phrases on disk: one small file each, shared by processes and kept in bounds."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.errors import CacheError
from ovseg_annotate.whole_files import STALE, remove_leftovers, write_whole

Vector: TypeAlias = NDArray[np.float32]

_SUFFIX = ".vector"
_DIGEST_BYTES = 32
_NUMBER_BYTES = 4
_LIMIT = 20_000  # files; 40 MB at width 512


class VectorStore:
    """A file is the sha256 of its numbers, then the numbers as little-endian float32.

    Files appear whole or not at all and are checked when read; a damaged one counts as absent and
    is written anew. Beyond the limit those not used for longest go first.
    """

    def __init__(self, folder: Path, limit: int = _LIMIT) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CacheError(
                f"cannot keep text vectors in {folder}: {error}; choose another cache folder"
            ) from error
        remove_leftovers(folder, age=STALE)
        self._folder = folder
        self._limit = limit

    def get(self, key: str) -> Vector | None:
        path = self._path(key)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        digest, numbers = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
        if hashlib.sha256(numbers).digest() != digest or len(numbers) % _NUMBER_BYTES:
            return None
        with contextlib.suppress(OSError):  # the mark of use matters to the order of removal only
            os.utime(path)
        return np.frombuffer(numbers, dtype="<f4").astype(np.float32)

    def put(self, vectors: dict[str, Vector]) -> None:
        """Keep what can be kept: a full disk costs time at the next run, never this answer."""
        with contextlib.suppress(OSError):
            for key, vector in vectors.items():
                numbers = vector.astype("<f4").tobytes()
                write_whole(self._path(key), hashlib.sha256(numbers).digest(), numbers)
            self._remove_oldest()

    def __len__(self) -> int:
        return sum(1 for _ in self._folder.glob(f"*{_SUFFIX}"))

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}{_SUFFIX}"

    def _remove_oldest(self) -> None:
        ages: list[tuple[float, Path]] = []
        for path in self._folder.glob(f"*{_SUFFIX}"):
            with contextlib.suppress(OSError):  # another process may have removed it
                ages.append((path.stat().st_mtime, path))
        if len(ages) <= self._limit:
            return
        # A tenth more than needed, so that not every later phrase starts a search.
        for _, path in sorted(ages)[: len(ages) - self._limit * 9 // 10]:
            path.unlink(missing_ok=True)
