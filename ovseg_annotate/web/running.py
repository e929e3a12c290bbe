"""A server on a socket, until it is told to stop."""

from __future__ import annotations

import logging
import socket
import threading
from typing import Generic, TypeVar

import uvicorn
from starlette.types import ASGIApp

from ovseg_annotate.errors import OptionError
from ovseg_annotate.web.work import WorkQueue

_LAST_ANSWERS_SECONDS = 3  # for what was refused at the end to reach its clients

Result = TypeVar("Result")

_log = logging.getLogger(__name__)


class Server(uvicorn.Server, Generic[Result]):
    """Refuses new work as soon as it is told to stop, while connections are still open."""

    def __init__(self, app: ASGIApp, work: WorkQueue[Result], grace_seconds: float) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                workers=1,  # several would each hold the weights
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=round(grace_seconds) + _LAST_ANSWERS_SECONDS,
            )
        )
        self._work = work
        self._grace = grace_seconds

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # A thread of its own that nobody joins: a second Ctrl-C ends the process at once.
        closing = threading.Thread(target=self._work.close, args=(self._grace,), daemon=True)
        closing.start()
        await super().shutdown(sockets)


def listening(host: str, port: int) -> socket.socket:
    """A bound socket; raises OptionError when the address cannot be had."""
    try:
        # With the protocol's number: without, asyncio lets the second part of an answer wait 40 ms.
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        family, kind, protocol, _, address = min(found)  # 127.0.0.1 for localhost, not ::1
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
        except OSError:
            bound.close()
            raise
    except OSError as error:
        raise OptionError(
            f"cannot listen on {host} port {port}: {error.strerror or error}; "
            "another server may be there: choose another port, or stop it"
        ) from error
    name, number = bound.getsockname()[:2]
    _log.info("listening on http://%s:%d", f"[{name}]" if ":" in name else name, number)
    return bound
