"""Keeps image features, in memory and on disk, so that new words never run the tower again.

Both floors are bounded in bytes and drop what was used longest ago. Files are written under a
temporary name and renamed, carry a checksum, and may be shared by several processes: a damaged or
half-written file is a miss, never an answer.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from torch import Tensor

from ovseg_annotate.errors import CacheError
from ovseg_annotate.whole_files import STALE, remove_leftovers, write_whole

Tensors: TypeAlias = Mapping[str, Tensor]

_SUFFIX = ".features"
_DIGEST_BYTES = 32
GIBIBYTE = 2**30


@dataclass(slots=True)
class StoreCounts:
    """What happened so far, for tests, metrics and the cache page."""

    hits: int = 0
    misses: int = 0
    damaged: int = 0
    unwritten: int = 0  # entries that could not be written to disk


@dataclass(frozen=True, slots=True)
class DiskUse:
    """What lies in the folder of a store."""

    entries: int
    bytes: int


class FeatureStore:
    """Features by key; safe to share between threads."""

    def __init__(
        self,
        *,
        memory_bytes: int = GIBIBYTE,
        folder: Path | None = None,
        disk_bytes: int = 20 * GIBIBYTE,
    ) -> None:
        self.counts = StoreCounts()
        self.problem: str | None = None  # why the disk is no longer used, for the user
        self._memory_limit = memory_bytes
        self._memory: OrderedDict[str, Tensors] = OrderedDict()
        self._memory_used = 0
        self.folder = folder
        self._disk_limit = disk_bytes
        self._disk_used: int | None = None  # unknown until the first write
        self._lock = threading.Lock()
        if folder is not None:
            _check_writable(folder)

    def get(self, key: str) -> Tensors | None:
        """The tensors of `key` on the CPU, or None."""
        with self._lock:
            found = self._memory.get(key)
            if found is not None:
                self._memory.move_to_end(key)
                self.counts.hits += 1
                return found
        loaded = self._read(key)
        with self._lock:
            if loaded is None:
                self.counts.misses += 1
                return None
            self.counts.hits += 1
            self._keep(key, loaded)
        return loaded

    def put(self, key: str, tensors: Tensors) -> None:
        """Keep tensors (on the CPU) where they fit."""
        with self._lock:
            self._keep(key, tensors)
        self._write(key, tensors)

    def clear(self) -> None:
        """Forget everything, the disk included."""
        with self._lock:
            self._memory.clear()
            self._memory_used = 0
            self._disk_used = None
        for path in self._files():
            path.unlink(missing_ok=True)

    def disk_use(self) -> DiskUse:
        """Count the folder's entries."""
        sizes = [size for _, size, _ in self._entries()]
        return DiskUse(len(sizes), sum(sizes))

    def _keep(self, key: str, tensors: Tensors) -> None:
        size = _bytes_of(tensors)
        if size > self._memory_limit:
            return
        before = self._memory.pop(key, None)
        self._memory_used += size - (0 if before is None else _bytes_of(before))
        self._memory[key] = tensors
        while self._memory_used > self._memory_limit:
            _, dropped = self._memory.popitem(last=False)
            self._memory_used -= _bytes_of(dropped)

    def _path(self, key: str) -> Path | None:
        if self.folder is None or self.problem is not None:
            return None
        return self.folder / key[:2] / (key + _SUFFIX)

    def _read(self, key: str) -> Tensors | None:
        path = self._path(key)
        if path is None:
            return None
        from safetensors import SafetensorError  # noqa: PLC0415
        from safetensors.torch import load  # noqa: PLC0415

        try:
            content = path.read_bytes()
        except OSError:
            return None
        digest, payload = content[:_DIGEST_BYTES], memoryview(content)[_DIGEST_BYTES:]
        try:
            if hashlib.sha256(payload).digest() != digest:
                raise SafetensorError("the checksum does not fit")
            tensors: Tensors = load(bytes(payload))
        except SafetensorError:
            self.counts.damaged += 1
            with contextlib.suppress(OSError):  # a folder that may only be read
                path.unlink(missing_ok=True)
            return None
        with contextlib.suppress(OSError):  # another process may have dropped it meanwhile
            os.utime(path)  # marks it as used, for dropping the oldest first
        return tensors

    def _write(self, key: str, tensors: Tensors) -> None:
        path = self._path(key)
        if path is None or path.exists():
            return
        from safetensors.torch import save  # noqa: PLC0415

        payload = save({name: tensor.contiguous() for name, tensor in tensors.items()})
        if len(payload) > self._disk_limit:
            return
        try:
            write_whole(path, hashlib.sha256(payload).digest(), payload)
        except OSError as error:
            self.counts.unwritten += 1
            self.problem = f"features are no longer kept in {self.folder}: {error.strerror}"
            return
        self._make_room(len(payload))

    def _make_room(self, added: int) -> None:
        with self._lock:
            if self._disk_used is None:
                if self.folder is not None:
                    remove_leftovers(self.folder, age=STALE)  # which no limit counts
                self._disk_used = self.disk_use().bytes
            else:
                self._disk_used += added
            if self._disk_used <= self._disk_limit:
                return
        self.shrink(round(self._disk_limit * 0.9))

    def shrink(self, disk_bytes: int) -> None:
        """Drop from the disk what was used longest ago, until the rest fits."""
        entries = sorted(self._entries())
        used = sum(size for _, size, _ in entries)
        for _, size, path in entries:
            if used <= disk_bytes:
                break
            path.unlink(missing_ok=True)
            used -= size
        with self._lock:
            self._disk_used = used

    def _files(self) -> list[Path]:
        return [] if self.folder is None else list(self.folder.glob(f"??/*{_SUFFIX}"))

    def _entries(self) -> list[tuple[float, int, Path]]:
        entries = []
        for path in self._files():
            with contextlib.suppress(OSError):  # dropped by another process
                status = path.stat()
                entries.append((status.st_mtime, status.st_size, path))
        return entries


def key_of(*parts: str) -> str:
    """A file-safe name for what the parts describe."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _bytes_of(tensors: Tensors) -> int:
    return sum(tensor.nbytes for tensor in tensors.values())


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise CacheError(
            f"cannot write to the cache folder {folder}: {error.strerror}; "
            "name another one, or go on without a disk cache"
        ) from error
