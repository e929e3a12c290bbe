"""The application: routes, what surrounds them, and how errors become answers."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from labelstudio_backend.envelope import Envelope, problem
from labelstudio_backend.metrics import Gauge, Metrics
from labelstudio_backend.models import StillLoading
from labelstudio_backend.routes import ModelState, Routes, Suggesting
from labelstudio_backend.security import Guard
from labelstudio_backend.settings import Settings
from labelstudio_backend.webhooks import Events
from labelstudio_backend.work import BusyError, StoppingError, WorkQueue
from ovseg_annotate.errors import Cancelled, ModelError, OvsegError

_log = logging.getLogger(__name__)

# Seconds after which asking again makes sense.
_RETRY_AFTER: dict[type[OvsegError], int] = {
    BusyError: 5,
    StillLoading: 10,
    StoppingError: 30,
    Cancelled: 30,
}


def create_app(
    settings: Settings,
    suggester: Suggesting,
    sessions: ModelState,
    events: Events,
    *,
    work: WorkQueue[bytes] | None = None,
    gauges: Iterable[Gauge] = (),
) -> Starlette:
    """Put the parts together; `work` is closed when the application ends."""
    queue = work or WorkQueue[bytes](settings.workers, settings.queue)
    metrics = Metrics((*_gauges_of(queue), *gauges))
    routes = _table(Routes(settings, suggester, sessions, events, queue, metrics))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(queue.close, settings.grace_seconds)

    app = Starlette(
        routes=routes,
        middleware=[
            Middleware(
                Envelope,
                guard=Guard(settings),
                metrics=metrics,
                routes=frozenset(route.path for route in routes),
            )
        ],
        exception_handlers={HTTPException: _refused, OvsegError: _not_done},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # nobody who posts follows a redirect
    return app


def _table(routes: Routes) -> list[Route]:
    def get(path: str, handler: Callable[[Request], object]) -> Route:
        return Route(path, handler, methods=["GET"])

    def post(path: str, handler: Callable[[Request], object]) -> Route:
        return Route(path, handler, methods=["POST"])

    return [
        get("/", routes.health),
        get("/health", routes.health),
        post("/setup", routes.setup),
        post("/predict", routes.predict),
        post("/webhook", routes.webhook),
        Route("/versions", routes.versions, methods=["GET", "POST"]),
        post("/validate", routes.validate),
        get("/metrics", routes.metrics),
    ]


def _gauges_of(queue: WorkQueue[bytes]) -> tuple[Gauge, ...]:
    return (
        Gauge("ovseg_queue_depth", "gauge", "Requests that wait.", lambda: queue.depth),
        Gauge("ovseg_in_flight", "gauge", "Requests in work.", lambda: queue.in_work),
        Gauge("ovseg_joined_total", "counter", "Repeated requests.", lambda: queue.joined),
    )


async def _refused(request: Request, error: Exception) -> Response:
    """No such route, a wrong method, a body that cannot be read."""
    if not isinstance(error, HTTPException):
        raise error
    return problem(error.status_code, error.detail, request.state.request_id, error.headers)


async def _not_done(request: Request, error: Exception) -> Response:
    """A mistake that somebody can put right: its message says how."""
    _log.warning("request %s: %s", request.state.request_id, error)
    waits = next((s for kind, s in _RETRY_AFTER.items() if isinstance(error, kind)), None)
    is_here = waits is not None or isinstance(error, ModelError)  # the request itself is right
    headers = {} if waits is None else {"Retry-After": str(waits)}
    return problem(503 if is_here else 422, str(error), request.state.request_id, headers)
