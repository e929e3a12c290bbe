"""The application: routes, what surrounds them, and what it tells of itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ovseg_annotate.errors import OvsegError
from ovseg_annotate.server.openapi import description
from ovseg_annotate.server.problems import not_done
from ovseg_annotate.server.routes import Handler, House, Routes
from ovseg_annotate.web.envelope import Envelope
from ovseg_annotate.web.problems import refused
from ovseg_annotate.wire.questions import (
    AnnotateQuestion,
    EvidenceQuestion,
    ExamplesQuestion,
    PickQuestion,
    TextQuestion,
    VectorQuestion,
)

_KINDS = (
    *(AnnotateQuestion, ExamplesQuestion, PickQuestion),
    *(VectorQuestion, EvidenceQuestion, TextQuestion),
)


def create_app(house: House) -> Starlette:
    """Put the parts together; the queue of the house is closed when the application ends."""
    routes = _table(house)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(house.work.close, house.options.grace_seconds)

    app = Starlette(
        routes=routes,
        middleware=[Middleware(Envelope, guard=house.guard, metrics=house.metrics, routes=routes)],
        exception_handlers={HTTPException: refused, OvsegError: not_done},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # nobody who posts follows a redirect
    return app


def _table(house: House) -> list[Route]:
    routes = Routes(house)
    answerer = house.answerer

    def route(method: str, path: str, handler: Handler) -> Route:
        made = Route(path, handler, methods=[method])
        made.methods = {method}  # no HEAD beside GET: what is described is what there is
        return made

    return [
        route("GET", "/health", routes.health),
        route("GET", "/model", routes.model),
        route("GET", "/metrics", routes.metrics),
        route("GET", "/openapi.json", _openapi),
        route("HEAD", "/images/{digest}", routes.has_image),
        route("PUT", "/images/{digest}", routes.put_image),
        route("POST", "/images", routes.name_image),
        route("HEAD", "/examples/{digest}", routes.has_small(answerer.has_examples)),
        route("PUT", "/examples/{digest}", routes.put_small(answerer.keep_examples)),
        route("HEAD", "/lessons/{digest}", routes.has_small(answerer.has_lesson)),
        route("PUT", "/lessons/{digest}", routes.put_small(answerer.keep_lesson)),
        *(route("POST", kind.PATH, routes.asks(kind)) for kind in _KINDS),
        route("GET", "/jobs/{name}/events", routes.events),
        route("DELETE", "/jobs/{name}", routes.cancel),
    ]


async def _openapi(_: Request) -> Response:
    return JSONResponse(description())
