"""Everything an operator may set, read once at start. Imports no web server."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ovseg_annotate.errors import OptionError
from ovseg_annotate.wire.limits import Limits

_GIBIBYTE = 2**30
_SHORTEST_TOKEN = 16
_POSITIVE = (
    *("image_bytes", "image_pixels", "question_bytes", "workers", "queue", "client_requests"),
    *("images_gigabytes", "client_gigabytes"),
)


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Where the server listens, and how much of it anybody may use."""

    host: str = "127.0.0.1"  # address to listen on; others than loopback need --token-file
    port: int = 9100  # to listen on; 0: any free one
    token_file: Path | None = None  # a token a line, of 16 characters or more: one for each client
    folder: tuple[str, ...] = ()  # folders whose pictures clients may name instead of sending
    image_hosts: tuple[str, ...] = ()  # servers whose pictures they may name: host or host:port
    images: Path | None = None  # folder for uploads; None: one in the user's cache
    images_gigabytes: float = 8.0  # of uploads on disk; what was used longest ago goes
    image_bytes: int = 2**26  # largest upload
    image_pixels: int = 2**26  # largest picture that is decoded or worked at
    question_bytes: int = 2**24  # largest question, marked areas included
    workers: int = 2  # questions in work at a time; the device runs one network pass at a time
    queue: int = 32  # questions that may wait for a worker; more are asked to come again
    client_requests: int = 8  # of one client at a time, waiting ones included
    client_gigabytes: float = 4.0  # of uploads of one client; its own oldest go first
    loading_seconds: float = 30.0  # how long a question waits for the weights
    grace_seconds: float = 25.0  # time to finish when the server is stopped

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise OptionError(f"port {self.port} is out of range; allowed: 0 to 65535")
        for name in _POSITIVE:
            if not getattr(self, name) > 0:
                raise OptionError(f"{name} {getattr(self, name)} is out of range; above 0")
        for name in ("loading_seconds", "grace_seconds"):
            if not 0 <= getattr(self, name) <= 3600:
                raise OptionError(f"{name} {getattr(self, name):g} is out of range; 0 to 3600")

    @property
    def limits(self) -> Limits:
        return Limits(pixels=self.image_pixels, bytes=self.image_bytes)

    @property
    def kept_bytes(self) -> int:
        return round(self.images_gigabytes * _GIBIBYTE)

    @property
    def client_bytes(self) -> int:
        return round(self.client_gigabytes * _GIBIBYTE)

    def images_folder(self) -> Path:
        """Where uploads are kept: for each port its own, so that two servers do not meet."""
        if self.images is not None:
            return self.images.expanduser()
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return Path(base) / "ovseg-annotate" / "served" / str(self.port)


def read_tokens(path: Path) -> tuple[str, ...]:
    """The tokens in a file, one a line; empty lines and lines that begin with # do not count."""
    try:
        lines = path.expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"cannot read the tokens in {path}: {error}") from error
    tokens = tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))
    if not tokens:
        raise OptionError(
            f"{path} holds no token; make one with: python -c "
            '"import secrets; print(secrets.token_urlsafe())"'
        )
    for token in tokens:
        if len(token) < _SHORTEST_TOKEN or not token.isascii() or " " in token:
            raise OptionError(
                f"{path} holds a token that is too short or cannot stand in a header; write "
                f"{_SHORTEST_TOKEN} or more letters and digits a line"
            )
    return tokens
