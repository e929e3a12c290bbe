"""Answers of servers that nobody vouches for: read whole, within bytes and seconds."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import httpx2

_OF_THE_TRANSFER = frozenset({"content-encoding", "content-length", "transfer-encoding"})
_GZIP = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class AnswerLimit:
    """What one answer may cost."""

    bytes: int  # unpacked
    seconds: float  # for the body to arrive; each read has the client's own limit


class UnusableAnswer(httpx2.RequestError):
    """A body that has no end or cannot be unpacked; to ask again is no help."""

    def __init__(self, answer: httpx2.Response, reason: str) -> None:
        super().__init__(reason, request=answer.request)
        self.status = answer.status_code


def received(client: httpx2.Client, request: httpx2.Request, limit: AnswerLimit) -> httpx2.Response:
    """Send a request and read its answer whole; raises ReadTimeout when that takes too long.

    Packed answers are taken in gzip only, whose pieces can be unpacked to a limit.
    """
    if request.headers.get("Accept-Encoding") != "identity":
        request.headers["Accept-Encoding"] = "gzip"
    answer = client.send(request, stream=True)
    try:
        content = b"".join(_pieces(answer, limit))
    finally:
        answer.close()
    headers = [each for each in answer.headers.multi_items() if each[0] not in _OF_THE_TRANSFER]
    return httpx2.Response(answer.status_code, headers=headers, content=content, request=request)


def _pieces(answer: httpx2.Response, limit: AnswerLimit) -> Iterator[bytes]:
    ends_at = time.monotonic() + limit.seconds
    size = 0
    for piece in _unpacked(answer, limit.bytes):
        size += len(piece)
        if size > limit.bytes:
            raise UnusableAnswer(answer, f"it has more than {limit.bytes:,} bytes")
        if time.monotonic() > ends_at:
            raise httpx2.ReadTimeout(
                f"it sent {size:,} bytes in {limit.seconds:g} s and had not ended",
                request=answer.request,
            )
        yield piece


def _unpacked(answer: httpx2.Response, most: int) -> Iterator[bytes]:
    """The body in pieces, none of which is much longer than `most`."""
    coding = answer.headers.get("content-encoding", "identity").strip().casefold()
    if coding == "identity":
        yield from answer.iter_raw()
        return
    if coding != "gzip":
        raise UnusableAnswer(answer, f"it is coded as {coding[:60]!r}, which nobody asked for")
    unpacker = zlib.decompressobj(_GZIP)
    begun = False
    try:
        for piece in answer.iter_raw():
            begun = begun or bool(piece)
            yield unpacker.decompress(piece, most + 1)
    except zlib.error as error:
        raise UnusableAnswer(answer, f"its gzip is damaged: {error}") from error
    if begun and not unpacker.eof:
        raise UnusableAnswer(answer, "its gzip is cut off")
