"""Bodies of requests within their limits, and JSON that is read away from the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request

from ovseg_annotate.formats.fields import Field

Read = TypeVar("Read")

_PASSED_OVER_BYTES = 2**23
_PASSED_OVER_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class BodyLimit:
    """How large a body may be."""

    bytes: int
    advice: str  # what somebody can do who needs more
    seconds: float = 60.0  # for it to arrive


async def read_json(request: Request, limit: BodyLimit, reader: Callable[[Field], Read]) -> Read:
    """Let `reader` read the JSON body in a thread; raises HTTPException for what is none."""
    content = await received(request, limit)

    def parsed() -> Read:
        try:
            body = _parsed(content)
        except (ValueError, RecursionError) as error:  # JSON and UTF-8 errors are ValueErrors
            raise HTTPException(400, f"the request is not valid JSON: {error}") from error
        return reader(Field(body, "request"))

    return await run_in_threadpool(parsed)


def _parsed(content: bytes) -> object:
    """Read JSON; `_pass` after every object lets other threads have a turn in a large body."""
    text = content.decode("utf-8-sig")
    body: object = json.loads(text, object_hook=_pass, parse_constant=_refuse_constant)
    # A lone surrogate is valid JSON and no text: what writes or hashes it later would fail.
    if "\\ud" in text.lower():
        json.dumps(body, ensure_ascii=False).encode()
    return body


def _pass(value: dict[str, object]) -> dict[str, object]:
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number that JSON knows")


async def received(request: Request, limit: BodyLimit) -> bytes:
    """The whole body; raises HTTPException as `pieces` does."""
    return b"".join([piece async for piece in pieces(request, limit)])


async def pieces(request: Request, limit: BodyLimit) -> AsyncIterator[bytes]:
    """The body as it arrives; raises HTTPException when it is coded, too large or too slow."""
    coding = request.headers.get("content-encoding", "identity")
    if coding.casefold() != "identity":
        raise HTTPException(415, f"the body is coded as {coding!r}; send it as it is")
    announced = request.headers.get("content-length", "")
    stream = aiter(request.stream())
    if announced.isdecimal() and int(announced) > limit.bytes:
        await _pass_over(stream)
        raise _too_large(limit)
    size = 0
    ends_at = asyncio.get_running_loop().time() + limit.seconds
    try:
        while True:
            async with asyncio.timeout_at(ends_at):
                piece = await anext(stream, None)
            if piece is None:
                return
            size += len(piece)
            if size > limit.bytes:
                await _pass_over(stream)
                raise _too_large(limit)
            yield piece
    except TimeoutError as error:
        raise HTTPException(408, f"the body did not arrive within {limit.seconds:g} s") from error


async def _pass_over(stream: AsyncIterator[bytes]) -> None:
    """Take in what is on its way: closed on top of it, a connection may lose the answer."""
    left = _PASSED_OVER_BYTES
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_PASSED_OVER_SECONDS):
            async for piece in stream:
                left -= len(piece)
                if left < 0:
                    return


def _too_large(limit: BodyLimit) -> HTTPException:
    return HTTPException(
        413,
        f"the request has more than {limit.bytes:,} bytes; {limit.advice}",
        # What is still on its way is not read, so this connection cannot be used again.
        headers={"Connection": "close"},
    )
