"""Brings to a server what questions name: each thing once, and again when it was dropped."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from ovseg_annotate.errors import ServerError
from ovseg_annotate.image import Image
from ovseg_annotate.remote.connection import Ask, Connection, Missing
from ovseg_annotate.watch import Watch
from ovseg_annotate.wire.pictures import picture_bytes

_KNOWN = 65_536  # uploads that are taken to be there
_NAMED = 64  # pictures in memory whose digest is known
_TRIES = 4  # of a question whose uploads the server drops


@dataclass(frozen=True, slots=True, eq=False)
class Upload:
    """Something a question names."""

    kind: str  # images, examples, lessons
    digest: str  # sha256 of the content
    content: Callable[[], bytes]

    @property
    def path(self) -> str:
        return f"/{self.kind}/{self.digest}"


class Uploader:
    """Safe to share between threads."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: OrderedDict[str, None] = OrderedDict()  # paths
        self._named: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._lock = threading.Lock()

    def answer(self, ask: Ask, uploads: tuple[Upload, ...], watch: Watch) -> bytes:
        """Ask a question once everything it names is there."""
        for _ in range(_TRIES):
            for upload in uploads:
                self._bring(upload, watch)
            try:
                return self._connection.ask(ask, watch)
            except Missing as missing:
                with self._lock:
                    self._known.pop(missing.path, None)
        raise ServerError(
            f"{self._connection.address.url} drops pictures before it has looked at them; give it "
            "more room with --images-gigabytes and --client-gigabytes"
        )

    def of_picture(self, image: Image) -> Upload:
        """The upload of a picture that is in memory."""
        # Pixels without a number are not part of the key; such pictures are packed each time.
        name = (image.key, image.reading) if image.valid is None else None
        with self._lock:
            digest = None if name is None else self._named.get(name)
        if digest is not None:
            return Upload("images", digest, lambda: picture_bytes(image))
        content = picture_bytes(image)
        upload = upload_of("images", content)
        if name is not None:
            with self._lock:
                self._named[name] = upload.digest
                while len(self._named) > _NAMED:
                    self._named.popitem(last=False)
        return upload

    def _bring(self, upload: Upload, watch: Watch) -> None:
        with self._lock:
            if upload.path in self._known:
                return
        try:
            self._connection.ask(Ask("HEAD", upload.path), watch)
        except Missing:
            self._connection.ask(Ask("PUT", upload.path, upload.content()), watch)
        with self._lock:
            self._known[upload.path] = None
            while len(self._known) > _KNOWN:
                self._known.popitem(last=False)


def upload_of(kind: str, content: bytes) -> Upload:
    return Upload(kind, hashlib.sha256(content).hexdigest(), lambda: content)
