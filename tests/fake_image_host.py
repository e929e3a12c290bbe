"""A Label Studio that only exchanges tokens and gives pictures, in good and in bad ways."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

PAT = "eyJhbGciOiJIUzI1NiJ9.eyJyZWZyZXNoIjoxfQ.c2lnbmF0dXJl"
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8


def access_token(number: int, life: int) -> str:
    claims = json.dumps({"iat": 1000, "exp": 1000 + life, "n": number}).encode()
    return f"e30.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.c2ln"


@dataclass
class FakeLabelStudio:
    """Answers by file name: /data/upload/1/KIND.png."""

    picture: bytes = PICTURE
    life: int = 300  # seconds of an access token
    exchange: str = "good"  # or: refuses, web-page, forgets, injects, fails
    redirect_to: str = "/user/login/"
    allows_legacy: str | None = None
    etag: str | None = None
    asked: list[tuple[str, str | None]] = field(default_factory=list)  # path, Authorization
    headers: list[dict[str, str]] = field(default_factory=list)
    queries: list[dict[str, str]] = field(default_factory=list)
    exchanges: int = 0
    valid: set[str] = field(default_factory=set)

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/api/token/refresh/", self._refresh, methods=["POST"]),
                Route("/data/upload/1/{name}", self._upload),
                Route("/data/local-files/", self._local_file),
                Route("/tasks/{task}/presign/", self._presign),
                Route("/{path:path}", self._anything),
            ]
        )

    async def _refresh(self, request: Request) -> Response:
        body = await request.json()
        if self.exchange == "refuses" or body != {"refresh": PAT}:
            return JSONResponse({"detail": "Token is invalid"}, 401)
        if self.exchange == "web-page":
            return HTMLResponse("<html>welcome</html>")
        if self.exchange == "fails":
            return PlainTextResponse("broken", 500)
        if self.exchange == "injects":
            return JSONResponse({"access": "a\r\nX-Evil: 1"})
        self.exchanges += 1
        access = access_token(self.exchanges, self.life)
        self.valid = {f"Bearer {access}"}
        return JSONResponse({"access": access})

    def _seen(self, request: Request) -> Response | None:
        """Note the request; an answer for one without a valid token."""
        given = request.headers.get("authorization")
        self.asked.append((request.url.path, given))
        self.headers.append(dict(request.headers))
        self.queries.append(dict(request.query_params))
        if given in self.valid or (self.allows_legacy and given == f"Token {self.allows_legacy}"):
            return None
        return JSONResponse({"detail": "Authentication credentials were not provided."}, 401)

    async def _upload(self, request: Request) -> Response:
        refused = self._seen(request)
        if refused is not None:
            return refused
        if self.etag is not None and request.headers.get("if-none-match") == self.etag:
            return Response(status_code=304)
        if request.path_params["name"] == "moved.png":
            return RedirectResponse(self.redirect_to, 302)
        bad = _BAD.get(request.path_params["name"])
        if bad is not None:
            return bad()
        return Response(self.picture, headers={} if self.etag is None else {"ETag": self.etag})

    async def _local_file(self, request: Request) -> Response:
        refused = self._seen(request)
        if refused is not None:
            return refused
        name = request.query_params["d"]
        return Response(PICTURE) if name == "set 1/x.png" else PlainTextResponse("no", 404)

    async def _presign(self, request: Request) -> Response:
        refused = self._seen(request)
        if refused is not None:
            return refused
        wanted = base64.urlsafe_b64decode(request.query_params["fileuri"]).decode()
        if wanted == "s3://bucket/proxied.png":
            return Response(PICTURE)
        return RedirectResponse(self.redirect_to, 303)

    async def _anything(self, request: Request) -> Response:
        self._seen(request)
        return PlainTextResponse("an address that nobody should ask for")


@dataclass
class FakeBucket:
    """A server that is not Label Studio."""

    headers: list[dict[str, str]] = field(default_factory=list)
    redirect_to: str | None = None

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/{path:path}", self._file)])

    async def _file(self, request: Request) -> Response:
        self.headers.append(dict(request.headers))
        if self.redirect_to is not None:
            return RedirectResponse(self.redirect_to)
        return Response(PICTURE)


async def _endless() -> AsyncIterator[bytes]:
    while True:
        yield bytes(65536)
        await asyncio.sleep(0)


async def _slow() -> AsyncIterator[bytes]:
    while True:
        yield b"."
        await asyncio.sleep(0.05)


async def _silent() -> AsyncIterator[bytes]:
    yield b"."
    await asyncio.sleep(30)
    yield b"."


_BAD: dict[str, Callable[[], Response]] = {
    "endless.png": lambda: StreamingResponse(_endless(), media_type="image/png"),
    "slow.png": lambda: StreamingResponse(_slow(), media_type="image/png"),
    "silent.png": lambda: StreamingResponse(_silent(), media_type="image/png"),
    "huge.png": lambda: Response(b"", headers={"Content-Length": str(2**40)}),
    "short.png": lambda: Response(PICTURE, headers={"Content-Length": str(len(PICTURE) + 100)}),
    "page.png": lambda: HTMLResponse("<html>please log in</html>"),
    "broken.png": lambda: PlainTextResponse("Traceback: secret stuff", 500),
    "forbidden.png": lambda: PlainTextResponse("no", 403),
    "missing.png": lambda: PlainTextResponse("not found", 404),
}
