"""What surrounds every request: its id, who may ask, the log, the metrics, the last resort."""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Iterable
from typing import Protocol

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ovseg_annotate.web.metrics import Metrics
from ovseg_annotate.web.problems import problem

REQUEST_ID = "X-Request-Id"
_USABLE_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_GONE = 499  # as nginx counts a client that left

_log = logging.getLogger(__name__)


class Guard(Protocol):
    """Who may ask what: decided from the headers, before anything else of a request is read."""

    @property
    def challenge(self) -> str:
        """The value of WWW-Authenticate."""

    @property
    def advice(self) -> str:
        """What somebody who is refused has to bring, for a person."""

    def admits(self, path: str, headers: Headers) -> bool:
        """Whether this request may go on."""


class Envelope:
    """Pure ASGI: it neither buffers answers nor cancels work when a client leaves."""

    def __init__(
        self, app: ASGIApp, guard: Guard, metrics: Metrics, routes: Iterable[Route]
    ) -> None:
        self._app = app
        self._guard = guard
        self._metrics = metrics
        self._routes = tuple(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = _id_of(headers)
        scope.setdefault("state", {})["request_id"] = request_id
        began = time.perf_counter()
        status = _GONE

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        app = self._refusal(scope["path"], headers, request_id) or self._app
        try:
            await app(scope, receive, sending)
        except ClientDisconnect:
            pass  # there is nobody to answer
        except Exception:
            _log.exception("request %s failed; this is a defect of the server", request_id)
            if status != _GONE:
                raise  # half an answer is out: only a broken connection says that it is no answer
            await problem(500, "the server failed; its log says more", request_id)(
                scope, receive, sending
            )
        finally:
            self._count(scope, status, time.perf_counter() - began, request_id)

    def _refusal(self, path: str, headers: Headers, request_id: str) -> JSONResponse | None:
        if "origin" in headers:
            # Browsers name the page that sends a request; those who may ask are no browsers.
            return problem(403, "this server answers programs, not web pages", request_id)
        if not self._guard.admits(path, headers):
            challenge = {"WWW-Authenticate": self._guard.challenge}
            return problem(401, self._guard.advice, request_id, challenge)
        return None

    def _count(self, scope: Scope, status: int, seconds: float, request_id: str) -> None:
        path: str = scope["path"]
        # What somebody makes up must not become a name in the metrics, or a line in the log.
        known = (each.path for each in self._routes if each.path_regex.match(path))
        route = next(known, "other")
        self._metrics.observe(route, status, seconds)
        _log.info(
            "%s %s %d %.1f ms, request %s",
            scope["method"],
            path if route == path else repr(path[:200]),
            status,
            seconds * 1000,
            request_id,
        )


def _id_of(headers: Headers) -> str:
    """The caller's own id if it is harmless, else a new one."""
    given = headers.get(REQUEST_ID, "")
    return given if _USABLE_ID.fullmatch(given) else uuid.uuid4().hex
