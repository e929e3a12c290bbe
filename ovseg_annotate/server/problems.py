"""How errors become answers: a status, what is wrong, and the class the client raises it as."""

from __future__ import annotations

import logging

from starlette.requests import Request
from starlette.responses import Response

from ovseg_annotate.errors import CacheError, OvsegError
from ovseg_annotate.server.errors import (
    JobExistsError,
    NotHereError,
    NotServingError,
    OtherModelError,
    QuotaError,
)
from ovseg_annotate.web.downloads import ImageRefused, ImageUnavailable
from ovseg_annotate.web.problems import problem, retry_after
from ovseg_annotate.wire.failures import kind_of

_STATUSES: dict[type[OvsegError], int] = {
    CacheError: 507,
    ImageRefused: 403,
    ImageUnavailable: 502,
    JobExistsError: 409,
    NotHereError: 404,
    NotServingError: 503,
    OtherModelError: 409,
    QuotaError: 429,
}
_QUOTA_SECONDS = 1  # until asking again makes sense

_log = logging.getLogger(__name__)


async def not_done(request: Request, error: Exception) -> Response:
    """A mistake that somebody can put right: its message says how."""
    if not isinstance(error, OvsegError):
        raise error
    _log.info("request %s: %s", request.state.request_id, error)
    waits = _QUOTA_SECONDS if isinstance(error, QuotaError) else retry_after(error)
    status = _STATUSES.get(type(error), 422 if waits is None else 503)
    headers = {} if waits is None else {"Retry-After": str(waits)}
    more = {"kind": kind_of(error)}
    if isinstance(error, NotHereError):
        more["missing"] = error.path
    return problem(status, str(error), request.state.request_id, headers, more)
