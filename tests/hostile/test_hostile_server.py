"""A session on a server that lies, never ends, or is something else: the client says so and goes.

What packets can say is in test_files.py; here is how they come, and what comes instead.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from effort import Effort
from hostile.guard import Bounds, guarded, refusing
from hostile.mutations import inputs
from hostile.packet_readers import LIMITS, SIZE, packets
from hostile.reader import WORDS
from loopback import listening
from PIL import Image as Pillow
from served import MODEL
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.errors import ServerError
from ovseg_annotate.geometry import Size
from ovseg_annotate.image import from_array
from ovseg_annotate.remote import RemoteSession, connect
from ovseg_annotate.remote.address import Address
from ovseg_annotate.vocabulary import Vocabulary
from ovseg_annotate.watch import Progress, Watch
from ovseg_annotate.web.retries import Patience

Handler = Callable[[Request], Awaitable[Response]]

PICTURE = from_array(np.zeros((SIZE.height, SIZE.width, 3), np.uint8))
GOOD = packets()["annotation"][0]
BOUNDS = Bounds(seconds=10.0, memory=512 * 2**20)
QUICK = Patience(attempts=2, first_wait=0.01, longest_wait=0.02, longest_asked=0.02)


async def model(request: Request) -> Response:
    del request
    return JSONResponse(MODEL)


async def endless(piece: bytes) -> AsyncIterator[bytes]:
    while True:
        yield piece
        await asyncio.sleep(0)


@contextmanager
def session_at(asked: Handler, events: Handler = model) -> Iterator[RemoteSession]:
    """A session on a server that has every upload and answers questions so."""

    async def there(request: Request) -> Response:
        del request
        return Response()

    app = Starlette(
        routes=[
            Route("/model", model),
            Route("/jobs/{name}/events", events),
            Route("/{path:path}", there, methods=["HEAD", "PUT", "DELETE"]),
            Route("/{path:path}", asked, methods=["POST"]),
        ]
    )
    with listening(app) as url, connect(Address(url), away=QUICK) as session:
        yield session


def place_of(session: RemoteSession) -> tuple[str, int]:
    host, _, port = session._connection.address.url.removeprefix("http://").partition(":")
    return host, int(port)


def answering(make: Callable[[], Response]) -> Handler:
    async def answered(request: Request) -> Response:
        await request.body()
        return make()

    return answered


BODIES: dict[str, Callable[[], Response]] = {
    "has no end": lambda: StreamingResponse(endless(bytes(2**20))),
    "is empty": lambda: Response(b""),
    "is a page": lambda: Response("<html>log in</html>", media_type="text/html"),
    "ends too soon": lambda: Response(GOOD, headers={"Content-Length": "100000"}),
    "is of another kind": lambda: Response(packets()["vector"][0]),
    "is coded in a way of its own": lambda: Response(GOOD, headers={"Content-Encoding": "x" * 999}),
    "redirects": lambda: Response(status_code=307, headers={"Location": "http://127.0.0.1:9/"}),
    "redirects nowhere": lambda: Response(status_code=302, headers={"Location": "http://[:/"}),
    "names an error without a reason": lambda: JSONResponse({"kind": "ImageError"}, 422),
    "misses what nobody sent": lambda: JSONResponse({"missing": "/images/../.."}, 404),
    "is busy for a thousand years": lambda: Response(
        status_code=503, headers={"Retry-After": "9" * 300}
    ),
}


@pytest.mark.parametrize("kind", BODIES)
def test_every_bad_answer_is_an_error_that_names_the_server(kind: str, tmp_path: Path) -> None:
    with session_at(answering(BODIES[kind])) as session:
        session._connection._busy = QUICK
        path = tmp_path / "a.png"
        Pillow.fromarray(PICTURE.pixels).save(path)
        server = place_of(session)
        for ask in (
            lambda: session.annotate(PICTURE, WORDS),
            lambda: list(session.annotate_many([path], WORDS, reading=LIMITS)),
            lambda: session.text_bank(WORDS),
        ):
            with (
                guarded(tmp_path, bounds=BOUNDS, server=server),
                pytest.raises(ServerError, match=r"http://127\.0\.0\.1"),
            ):
                ask()


@pytest.mark.parametrize(
    ("words", "size", "reason"),
    [
        (Vocabulary.parse("cat; road; -sky"), SIZE, "other words"),
        (WORDS, Size(60, 80), "a picture of"),
    ],
)
def test_an_answer_to_another_question_is_not_taken(
    words: Vocabulary, size: Size, reason: str
) -> None:
    image = from_array(np.zeros((size.height, size.width, 3), np.uint8))
    with (
        session_at(answering(lambda: Response(GOOD))) as session,
        pytest.raises(ServerError, match=f"does not answer as 'ovseg serve'.*{reason}"),
    ):
        session.annotate(image, words)


def test_whatever_a_server_says_of_an_error_is_an_error_of_ours(effort: Effort) -> None:
    chance = effort.chance("refusals")
    good = json.dumps({"kind": "ImageError", "detail": "a", "missing": "/images/a"}).encode()
    said = [(200, b"")]

    def refusal() -> Response:
        return Response(said[-1][1], said[-1][0], media_type="application/problem+json")

    with session_at(answering(refusal)) as session:
        session._connection._busy = QUICK
        server = place_of(session)
        for number in effort.numbers(short=40, long=1000, seconds=10):
            print(f"refusal {number} of seed {effort.seed}")  # noqa: T201  shown when it fails
            said.append((chance.choice((400, 401, 404, 409, 413, 422, 429, 500, 503)), b""))
            said[-1] = (said[-1][0], inputs(good, chance, is_json=True))
            with guarded(bounds=BOUNDS, server=server), refusing(""):
                session.annotate(PICTURE, WORDS)


EVENTS = {
    "no JSON": b"data: {\n\n",
    "another shape": b'data: {"stage": 3, "done": "x"}\n\ndata: []\n\ndata: 7\n\n',
    "half a step": b'data: {"stage": "windows", "done": 1}\n\n',
    "a line without end": b"data: " + b"x" * 2**20,
    "no text": b"data: \xff\xfe\n\n",
}


@pytest.mark.parametrize("kind", EVENTS)
def test_what_is_told_on_the_way_never_spoils_the_answer(kind: str) -> None:
    told, sent, heard = list[Progress](), threading.Event(), threading.Event()
    step = b'event: progress\ndata: {"stage": "windows", "done": 1, "total": 4}\n\n'

    async def events(request: Request) -> Response:
        del request

        async def lines() -> AsyncIterator[bytes]:
            yield step
            yield EVENTS[kind]
            sent.set()

        return StreamingResponse(lines(), media_type="text/event-stream")

    def tell(progress: Progress) -> None:
        told.append(progress)
        heard.set()

    async def answered(request: Request) -> Response:
        await request.body()
        for each in (sent, heard):  # once there is an answer nobody listens any more
            await asyncio.to_thread(each.wait, 20)
        return Response(GOOD)

    with session_at(answered, events) as session:
        found = session.annotate(PICTURE, WORDS, AnnotateOptions(), Watch(tell))
    assert found.label_map.size == SIZE
    assert sent.is_set()
    assert told == [Progress("windows", 1, 4)]
