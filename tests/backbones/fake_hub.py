"""A Hugging Face Hub of a few files, on the loopback interface."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class FakeHub:
    files: dict[str, bytes]  # "owner/repository/file" -> content
    named_digests: dict[str, str] = field(default_factory=dict)  # where it names a wrong one
    breaks_after: list[int] = field(default_factory=list)  # bytes, for the next connections
    knows_ranges: bool = True
    endpoint: str = ""
    requests: list[tuple[str, str | None]] = field(default_factory=list)  # file, range: GETs only

    def digest(self, name: str) -> str:
        return self.named_digests.get(name) or hashlib.sha256(self.files[name]).hexdigest()


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[FakeHub]:
    hub = FakeHub(files)

    class Handler(_Handler):
        served = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served: FakeHub

    def do_HEAD(self) -> None:
        self._head(self._name(), start=0)

    def do_GET(self) -> None:
        name, wanted = self._name(), self.headers.get("Range")
        self.served.requests.append((name, wanted))
        start = 0
        if wanted and self.served.knows_ranges:
            start = int(wanted.removeprefix("bytes=").partition("-")[0])
        if not self._head(name, start):
            return
        content = self.served.files[name][start:]
        if self.served.breaks_after:
            content = content[: self.served.breaks_after.pop(0)]
            self.close_connection = True
        self.wfile.write(content)

    def _name(self) -> str:
        repository, _, rest = self.path.removeprefix("/").partition("/resolve/")
        return f"{repository}/{rest.partition('/')[2]}"

    def _head(self, name: str, start: int) -> bool:
        if name not in self.served.files:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return False
        total = len(self.served.files[name])
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{self.served.digest(name)}"')
        self.send_header("Content-Length", str(total - start))
        self.end_headers()
        return True

    def log_message(self, *_: object) -> None:
        return

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:
            return  # a client that was cancelled goes away
