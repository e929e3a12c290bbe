"""A Label Studio that has bad days: slow, dying, too large, in the wrong language.

What must hold: within the patience that is set there is an answer, or an error that names the
server and what was asked; memory stays bounded; a request that may have been taken is not sent
twice. Hosts of pictures are looked at in tests/labelstudio_backend/test_images.py.
"""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager, suppress

import pytest
from hostile.guard import refusing
from loopback import listening
from soak.growth import memory_now
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from labelstudio_backend.label_studio import LabelStudio
from labelstudio_backend.rest import LabelStudioError, RestClient, UnknownOutcomeError
from labelstudio_backend.tokens import Tokens
from ovseg_annotate.web.retries import Patience

QUICK = Patience(attempts=3, first_wait=0.01, longest_wait=0.02, longest_answer=0.5)

BOMB = gzip.compress(bytes(2**28), 1)


async def dripping() -> AsyncIterator[bytes]:
    while True:
        yield b" "
        await asyncio.sleep(0.05)


def packed(content: bytes) -> Response:
    return Response(content, headers={"Content-Encoding": "gzip", "Content-Type": "text/json"})


ANSWERS: dict[str, Callable[[], Response]] = {
    "drips": lambda: StreamingResponse(dripping(), media_type="application/json"),
    "unpacks a thousandfold": lambda: packed(BOMB),
    "is a page": lambda: HTMLResponse("<html>please log in</html>"),
    "is nested": lambda: Response("[" * 100_000, media_type="application/json"),
    "is no gzip": lambda: packed(b"no gzip"),
    "is empty": lambda: Response(b""),
    "is a list": lambda: JSONResponse([]),
    "is busy": lambda: JSONResponse({}, 503, headers={"Retry-After": "0"}),
    "is a nested refusal": lambda: Response("[" * 100_000, 400),
    "ends too soon": lambda: Response(b"{", headers={"Content-Length": "100"}),
    "redirects": lambda: Response(status_code=302, headers={"Location": "http://127.0.0.1:9/"}),
    "has half a character": lambda: Response(rb'{"id": "\ud800"}'),
}


@contextmanager
def studio_that(answer: Callable[[], Response]) -> Iterator[LabelStudio]:
    async def answered(request: Request) -> Response:
        del request
        return answer()

    app = Starlette(routes=[Route("/{path:path}", answered, methods=["GET", "POST", "PATCH"])])
    with (
        listening(app) as url,
        closing(Tokens(url, "a-plain-token")) as tokens,
        closing(RestClient(url, tokens, QUICK)) as client,
    ):
        yield LabelStudio(client)


@pytest.mark.parametrize("kind", ANSWERS)
def test_every_bad_answer_ends_in_time_in_an_error_that_names_it(kind: str) -> None:
    with studio_that(ANSWERS[kind]) as studio:
        before, began = memory_now(), time.monotonic()
        with refusing("127.0.0.1", "/api/projects/3/"):
            studio.project(3)
        assert time.monotonic() - began < 60
        assert memory_now() - before < 256 * 2**20
        with suppress(LabelStudioError):  # that it was stored is all that matters of an answer
            studio.add_prediction(1, {})


def test_what_may_have_been_stored_is_not_sent_again() -> None:
    asked = []

    def answer() -> Response:
        asked.append(1)
        return ANSWERS["drips"]()

    with studio_that(answer) as studio, pytest.raises(UnknownOutcomeError):
        studio.add_prediction(1, {})
    assert len(asked) == 1
