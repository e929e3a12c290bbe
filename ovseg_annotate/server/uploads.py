"""Uploaded pictures in a folder, by the sha256 of their bytes, bounded; safe between threads."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ovseg_annotate.errors import CacheError
from ovseg_annotate.whole_files import remove_leftovers, whole_file
from ovseg_annotate.wire.subjects import DIGEST

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Kept:
    bytes: int
    client: str  # who sent it first; "": it was here when the server started


class Uploads:
    """What was used longest ago goes first: of a client over its share, then of everybody."""

    def __init__(self, folder: Path, most_bytes: int, client_bytes: int) -> None:
        self._folder = folder
        self._most = most_bytes
        self._client_most = client_bytes
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._lock = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            remove_leftovers(folder)
            found = [path for path in folder.iterdir() if DIGEST.fullmatch(path.name)]
            for path in sorted(found, key=lambda path: path.stat().st_mtime):
                self._kept[path.name] = _Kept(path.stat().st_size, "")
        except OSError as error:
            raise CacheError(
                f"cannot keep uploads in {folder}: {error.strerror or error}; choose another "
                "folder with --images"
            ) from error
        self._drop_what_is_too_much()

    @property
    def used(self) -> int:
        """How many bytes are kept."""
        with self._lock:
            return sum(each.bytes for each in self._kept.values())

    def has(self, digest: str) -> bool:
        """Whether it is here; what somebody asks for counts as used."""
        with self._lock:
            if digest in self._kept:
                self._kept.move_to_end(digest)
            return digest in self._kept

    @contextmanager
    def receiving(self, digest: str, client: str) -> Iterator[BinaryIO]:
        """A file to write an upload to; it is kept when the block ends well."""
        try:
            with whole_file(self._folder / digest) as file:
                yield file
                size = file.tell()
        except OSError as error:
            raise CacheError(
                f"the server cannot keep the upload: {error.strerror or error}"
            ) from error
        with self._lock:
            self._kept[digest] = _Kept(size, client)
            self._kept.move_to_end(digest)
        self._drop_what_is_too_much()

    def read(self, digest: str) -> bytes | None:
        """The upload, or None where it is not here (any more), or not as it was sent."""
        if not self.has(digest):
            return None
        path = self._folder / digest
        try:
            data = path.read_bytes()
        except OSError:
            data = b""
        if hashlib.sha256(data).hexdigest() == digest:
            return data
        _log.warning("the upload %s is damaged or gone; it is asked for again", digest[:12])
        self._drop(digest)
        return None

    def _drop_what_is_too_much(self) -> None:
        with self._lock:
            by_client: dict[str, int] = {}
            too_much = []
            total = 0
            for digest, kept in reversed(self._kept.items()):  # what was used last comes first
                own = by_client.get(kept.client, 0) + kept.bytes
                over = kept.client != "" and own > self._client_most
                if over or total + kept.bytes > self._most:
                    too_much.append(digest)
                else:
                    by_client[kept.client] = own
                    total += kept.bytes
        for digest in too_much:
            self._drop(digest)

    def _drop(self, digest: str) -> None:
        with self._lock:
            self._kept.pop(digest, None)
            with suppress(OSError):
                (self._folder / digest).unlink()
