"""Answers are read whole or refused, whatever a server sends."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

import httpx2
import pytest
from loopback import listening
from soak.growth import memory_now
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from ovseg_annotate.bounded_answers import AnswerLimit, UnusableAnswer, received

LIMIT = AnswerLimit(bytes=2**20, seconds=60.0)
BOMB = gzip.compress(bytes(2**27), 1)


@contextmanager
def answering(answer: Callable[[], Response]) -> Iterator[str]:
    async def answered(request: Request) -> Response:
        del request
        return answer()

    with listening(Starlette(routes=[Route("/", answered)])) as url:
        yield url


def asked(url: str, limit: AnswerLimit = LIMIT) -> httpx2.Response:
    with httpx2.Client() as client:
        return received(client, client.build_request("GET", url), limit)


def coded(content: bytes, coding: str = "gzip") -> Response:
    return Response(content, headers={"Content-Encoding": coding, "X-Kept": "yes"})


async def endless(piece: bytes, seconds: float = 0.0) -> AsyncIterator[bytes]:
    while True:
        yield piece
        await asyncio.sleep(seconds)


@pytest.mark.parametrize(
    "answer",
    [lambda: coded(gzip.compress(b"whole")), lambda: coded(b"whole", "identity")],
    ids=["packed", "plain"],
)
def test_a_good_answer_comes_whole_with_its_headers(answer: Callable[[], Response]) -> None:
    with answering(answer) as url:
        found = asked(url)
    assert (found.status_code, found.content, found.headers["X-Kept"]) == (200, b"whole", "yes")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda: StreamingResponse(endless(bytes(2**16))), "more than 1,048,576 bytes"),
        (lambda: coded(BOMB), "more than 1,048,576 bytes"),
        (lambda: coded(gzip.compress(b"whole")[:-9]), "cut off"),
        (lambda: coded(b"no gzip"), "damaged"),
        (lambda: coded(b"whole", "br"), "coded as 'br'"),
        (lambda: coded(gzip.compress(gzip.compress(b"whole")), "gzip, gzip"), "coded as"),
    ],
    ids=["endless", "a bomb", "cut off", "no gzip", "another coding", "coded twice"],
)
def test_a_body_that_cannot_be_read_is_refused_at_little_cost(
    answer: Callable[[], Response], reason: str
) -> None:
    with answering(answer) as url:
        before = memory_now()
        with pytest.raises(UnusableAnswer, match=reason) as refused:
            asked(url)
        assert memory_now() - before < 64 * 2**20
    assert refused.value.status == 200


def test_a_body_that_drips_for_ever_is_given_up() -> None:
    with (
        answering(lambda: StreamingResponse(endless(b" ", 0.02))) as url,
        pytest.raises(httpx2.ReadTimeout, match=r"in 0\.2 s and had not ended"),
    ):
        asked(url, AnswerLimit(bytes=2**20, seconds=0.2))
