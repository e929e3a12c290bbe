from __future__ import annotations

import asyncio

import httpx2
import pytest
from loopback import listening
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Message

from ovseg_annotate.web.bodies import BodyLimit, pieces, read_json

LIMIT = BodyLimit(100, "send less")


async def echo(request: Request) -> Response:
    return JSONResponse({"said": await read_json(request, LIMIT, lambda body: body.value)})


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b'{"a": [1, "\xc3\xa4"]}', {}, 200),
        (b"{", {}, 400),
        (b"\xff\xfe", {}, 400),
        (b"NaN", {}, 400),
        (b'"\\ud800"', {}, 400),
        (b"[" * 90, {}, 400),
        (b" " * 101, {}, 413),
        (b"{}", {"Content-Encoding": "gzip"}, 415),
    ],
)
def test_a_body_is_read_or_refused(content: bytes, headers: dict[str, str], status: int) -> None:
    with listening(Starlette(routes=[Route("/", echo, methods=["POST"])])) as url:
        assert httpx2.post(url, content=content, headers=headers).status_code == status


def test_a_body_of_unknown_length_is_measured_as_it_comes() -> None:
    with listening(Starlette(routes=[Route("/", echo, methods=["POST"])])) as url:
        answer = httpx2.post(url, content=iter([b" " * 60] * 50))
    assert answer.status_code == 413


def test_a_body_that_stops_coming_is_not_waited_for() -> None:
    async def silent() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def read() -> list[bytes]:
        request = Request({"type": "http", "headers": [], "method": "PUT", "path": "/"}, silent)
        slow = BodyLimit(100, "", seconds=0.05)
        return [piece async for piece in pieces(request, slow)]

    with pytest.raises(HTTPException) as refused:
        asyncio.run(read())
    assert refused.value.status_code == 408
