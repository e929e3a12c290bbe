"""A server on the loopback interface around an engine whose answers are known."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import httpx2
import numpy as np
from fake_engine import CARD
from loopback import listening
from PIL import Image as Pillow

from ovseg_annotate.devices import placement
from ovseg_annotate.engine import Engine
from ovseg_annotate.feature_store import FeatureStore
from ovseg_annotate.remote import RemoteSession, connect
from ovseg_annotate.remote.address import Address
from ovseg_annotate.server.app import create_app
from ovseg_annotate.server.routes import House
from ovseg_annotate.server.serving import house_of
from ovseg_annotate.server.settings import ServeOptions
from ovseg_annotate.session import Session
from ovseg_annotate.web.background import BackgroundSession

TOKEN = "correct-horse-battery"  # noqa: S105
# What a server tells of itself.
MODEL = {
    "model": "fake@none",
    "precision": "float32",
    "engine_options": [],
    "version": "1",
    "card": asdict(CARD),
}


def session_of(engine: Engine) -> Session:
    """A session here, with the model's name as a server has it."""
    where = placement("cpu", "float32", half_precision=False)
    return Session(engine, where, FeatureStore(), model="fake@none")


@dataclass
class Served:
    """A server at work."""

    url: str
    house: House
    token: str | None = None
    sessions: list[RemoteSession] = field(default_factory=list)

    def session(self) -> RemoteSession:
        """A client; closed with the server."""
        self.sessions.append(connect(Address(self.url, self.token)))
        return self.sessions[-1]

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.token is None else {"Authorization": f"Bearer {self.token}"}


@contextmanager
def served(
    engine: Engine, folder: Path, options: ServeOptions | None = None, *, token: str | None = None
) -> Iterator[Served]:
    """Serve an engine; uploads are kept in `folder`."""
    sessions = BackgroundSession("fake@none", lambda _: session_of(engine), 10)
    tokens = () if token is None else (token,)
    house = house_of(options or options_in(folder), sessions, (), tokens)
    sessions.start()
    sessions.session()
    with listening(create_app(house)) as url:
        running = Served(url, house, token)
        try:
            yield running
        finally:
            for session in running.sessions:
                session.close()
            house.references.close()
            sessions.close()


def options_in(folder: Path, /, **changes: object) -> ServeOptions:
    """Options for a test: uploads in a folder of its own, a short end."""
    given: dict[str, object] = {"images": folder / "uploads", "grace_seconds": 1.0, "port": 0}
    return ServeOptions(**(given | changes))  # type: ignore[arg-type]


def png(seed: int = 0, side: int = 40) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (side, side, 3)).astype(np.uint8)
    file = io.BytesIO()
    Pillow.fromarray(pixels).save(file, "png")
    return file.getvalue()


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def put(client: httpx2.Client, data: bytes) -> str:
    answer = client.put(f"/images/{digest_of(data)}", content=data)
    assert answer.status_code == 201, answer.text
    return digest_of(data)
