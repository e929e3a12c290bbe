"""Stands between Label Studio and the backend and writes down what passes."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

# Seconds after which Label Studio throws an answer away.
LIMITS = {"/health": 1.0, "/setup": 3.0, "/versions": 3.0, "/webhook": 1.0, "/predict": 100.0}


@dataclass(frozen=True)
class Call:
    path: str
    action: str  # of a webhook
    status: int
    seconds: float
    stall: float  # s that the machine held up a thread that had nothing else to do

    @property
    def is_late(self) -> bool:
        """Whether Label Studio would have given up; several programs are held up on the way."""
        return self.seconds > LIMITS.get(self.path, 100.0) + 4 * self.stall


class StallWatch:
    """How long a thread that wants to run has to wait: what the machine adds to every latency."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._waits: list[tuple[float, float]] = []  # when it ended, and how long it was
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def since(self, moment: float) -> float:
        """The longest wait that ended after a moment of time.monotonic()."""
        return max((wait for ended, wait in self._waits if ended >= moment), default=0.0)

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            asked = time.monotonic()
            if self._over.wait(0.02):
                return
            ended = time.monotonic()
            self._waits.append((ended, ended - asked - 0.02))


@dataclass
class RecordingProxy:
    target: str  # address of the backend
    stalls: StallWatch
    calls: list[Call] = field(default_factory=list)

    def count(self, path: str) -> int:
        return sum(call.path == path for call in self.calls)

    @property
    def app(self) -> Starlette:
        return Starlette(routes=[Route("/{path:path}", self._pass, methods=["GET", "POST"])])

    async def _pass(self, request: Request) -> Response:
        body = await request.body()
        begun = time.monotonic()
        skipped = {"host", "content-length", "connection"}
        headers = {name: value for name, value in request.headers.items() if name not in skipped}
        async with httpx2.AsyncClient(timeout=200) as client:
            try:
                answer = await client.request(
                    request.method, self.target + request.url.path, content=body, headers=headers
                )
            except httpx2.TransportError:
                answer = httpx2.Response(502)
        self.calls.append(
            Call(
                request.url.path,
                json.loads(body)["action"] if request.url.path == "/webhook" else "",
                answer.status_code,
                time.monotonic() - begun,
                self.stalls.since(begun),
            )
        )
        kind = answer.headers.get("Content-Type")
        return Response(answer.content, answer.status_code, media_type=kind)
