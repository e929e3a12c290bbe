"""One GET, with a limit on everything."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import httpx2

from ovseg_annotate.errors import OvsegError

_VALIDATORS = {"etag": "If-None-Match", "last-modified": "If-Modified-Since"}


class ImageRefused(OvsegError):  # noqa: N818  an outcome of the rules, not a fault
    """The rules forbid to fetch this; asking again does not help."""


class ImageUnavailable(OvsegError):  # noqa: N818  as above
    """The picture did not come; asking again may help."""


@dataclass(frozen=True, slots=True)
class DownloadLimits:
    """What one picture may cost."""

    bytes: int = 64 * 2**20
    bytes_setting: str = "image_bytes"  # what an operator raises for more
    connect_seconds: float = 5.0
    read_seconds: float = 30.0  # between two pieces
    total_seconds: float = 90.0  # a server that sends a byte now and then holds no worker for ever

    @property
    def timeout(self) -> httpx2.Timeout:
        return httpx2.Timeout(self.read_seconds, connect=self.connect_seconds)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said; a body is read only when it is the picture (200)."""

    status: int
    content: bytes
    location: str | None  # where a redirect points to
    validators: Mapping[str, str]  # request headers that ask whether the picture has changed


def get(client: httpx2.Client, request: httpx2.Request, limits: DownloadLimits) -> Answer:
    """Send a request without following redirects; raises ImageUnavailable."""
    # Compressed transfer of a compressed picture brings nothing but a way around the byte limit.
    request.headers["Accept-Encoding"] = "identity"
    ends_at = time.monotonic() + limits.total_seconds
    try:
        response = client.send(request, stream=True, follow_redirects=False)
        try:
            content = b""
            if response.status_code == httpx2.codes.OK:
                content = _content(response, limits, ends_at)
        finally:
            response.close()
    except httpx2.HTTPError as error:
        raise ImageUnavailable(
            f"{shown(request.url)} did not come ({str(error) or type(error).__name__})"
        ) from error
    return Answer(
        response.status_code,
        content,
        response.headers.get("location"),
        {
            asking: response.headers[given]
            for given, asking in _VALIDATORS.items()
            if given in response.headers
        },
    )


def shown(url: httpx2.URL) -> str:
    """An address for messages: queries may carry signatures."""
    return f"{url.scheme}://{url.netloc.decode('ascii', 'replace')}{url.path}"


def _content(response: httpx2.Response, limits: DownloadLimits, ends_at: float) -> bytes:
    where = shown(response.request.url)
    if response.headers.get("content-type", "").startswith("text/html"):
        raise ImageUnavailable(f"{where} is a web page, not a picture")
    announced = response.headers.get("content-length", "")
    pieces = []
    received = int(announced) if announced.isdecimal() else 0
    if received <= limits.bytes:
        received = 0
        for piece in response.iter_raw():
            received += len(piece)
            pieces.append(piece)
            if received > limits.bytes:
                break
            if time.monotonic() > ends_at:
                raise ImageUnavailable(
                    f"{where} sent {received:,} bytes in {limits.total_seconds:g} s and had not "
                    "ended; ask again when the connection is better"
                )
    if received > limits.bytes:
        raise ImageRefused(
            f"{where} has more than the {limits.bytes:,} bytes that are fetched; "
            f"raise {limits.bytes_setting} if that is right"
        )
    return b"".join(pieces)
