"""How errors become answers."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ovseg_annotate.errors import Cancelled, ModelError, OvsegError
from ovseg_annotate.web.background import StillLoading
from ovseg_annotate.web.work import BusyError, StoppingError

_log = logging.getLogger(__name__)

# Seconds after which asking again makes sense.
_RETRY_AFTER: dict[type[OvsegError], int] = {
    BusyError: 5,
    StillLoading: 10,
    StoppingError: 30,
    Cancelled: 30,
}


def problem(
    status: int,
    detail: str,
    request_id: str,
    headers: Mapping[str, str] | None = None,
    more: Mapping[str, str] | None = None,
) -> JSONResponse:
    """An answer that says what is wrong, and the id under which the log says more."""
    body = {"detail": detail, "request_id": request_id, **(more or {})}
    return JSONResponse(
        body, status_code=status, headers=None if headers is None else dict(headers)
    )


def retry_after(error: OvsegError) -> int | None:
    """Seconds after which asking again makes sense; None: it does not."""
    return next((s for kind, s in _RETRY_AFTER.items() if isinstance(error, kind)), None)


async def refused(request: Request, error: Exception) -> Response:
    """No such route, a wrong method, a body that cannot be read."""
    if not isinstance(error, HTTPException):
        raise error
    return problem(error.status_code, error.detail, request.state.request_id, error.headers)


async def not_done(request: Request, error: Exception) -> Response:
    """A mistake that somebody can put right: its message says how."""
    if not isinstance(error, OvsegError):
        raise error
    _log.warning("request %s: %s", request.state.request_id, error)
    waits = retry_after(error)
    is_here = waits is not None or isinstance(error, ModelError)  # the request itself is right
    headers = {} if waits is None else {"Retry-After": str(waits)}
    return problem(503 if is_here else 422, str(error), request.state.request_id, headers)
