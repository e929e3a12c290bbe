"""The application: routes and what surrounds them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.routing import Route

from labelstudio_backend.routes import ModelState, Routes, Suggesting
from labelstudio_backend.security import Guard
from labelstudio_backend.settings import Settings
from labelstudio_backend.webhooks import Events
from ovseg_annotate.errors import OvsegError
from ovseg_annotate.web.envelope import Envelope
from ovseg_annotate.web.metrics import Gauge, Metrics
from ovseg_annotate.web.problems import not_done, refused
from ovseg_annotate.web.work import WorkQueue


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
    metrics = Metrics((*queue.gauges, *gauges))
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
                routes=routes,
            )
        ],
        exception_handlers={HTTPException: refused, OvsegError: not_done},
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
