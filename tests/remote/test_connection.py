"""A server that is away, busy, or something else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import httpx2
import pytest
from fake_engine import CARD, FakeEngine
from loopback import listening
from served import MODEL, TOKEN, served
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from ovseg_annotate.errors import Cancelled, OptionError, OvsegError, ServerError
from ovseg_annotate.remote import connect
from ovseg_annotate.remote.address import Address, address_of
from ovseg_annotate.remote.connection import Ask, Connection
from ovseg_annotate.watch import Watch
from ovseg_annotate.web.retries import Patience

QUICK = Patience(attempts=4, first_wait=0.01, longest_wait=0.02, longest_asked=0.02)


@contextmanager
def answering(answer: Callable[[Request], Response]) -> Iterator[str]:
    """A server that answers everything so."""

    async def handler(request: Request) -> Response:
        return answer(request)

    methods = ["GET", "HEAD", "POST", "PUT", "DELETE"]
    with listening(Starlette(routes=[Route("/{path:path}", handler, methods=methods)])) as url:
        yield url


@contextmanager
def connected(url: str, token: str | None = None) -> Iterator[Connection]:
    connection = Connection(Address(url, token), QUICK, QUICK)
    try:
        yield connection
    finally:
        connection.close()


def test_a_busy_server_is_asked_again() -> None:
    asked: list[str] = []

    def answer(request: Request) -> Response:
        asked.append(request.url.path)
        if len(asked) < 3:
            return Response(status_code=429 + 74 * (len(asked) - 1), headers={"Retry-After": "1"})
        return Response(b"done")

    with answering(answer) as url, connected(url) as connection:
        assert connection.ask(Ask("POST", "/annotate", b"{}")) == b"done"
    assert asked == ["/annotate"] * 3


def test_a_server_that_stays_busy_is_an_error_with_its_words() -> None:
    busy = JSONResponse({"detail": "9 wait"}, 503, headers={"Retry-After": "1"})
    with (
        answering(lambda _: busy) as url,
        connected(url) as connection,
        pytest.raises(ServerError, match=r"is busy: 9 wait \(asked 4 times\)"),
    ):
        connection.ask(Ask("GET", "/model"))


@pytest.mark.parametrize(("status", "path"), [(422, "/annotate"), (413, "/images/a")])
def test_a_refusal_without_words_is_still_an_error_with_a_message(status: int, path: str) -> None:
    silent = JSONResponse({"kind": "ImageError", "detail": " "}, status)
    with (
        answering(lambda _: silent) as url,
        connected(url) as connection,
        pytest.raises(OvsegError, match=re.escape(url)),
    ):
        connection.ask(Ask("POST", path, b"{}"))


@pytest.mark.parametrize("status", [500, 503, 418])
def test_what_asking_again_does_not_help_is_asked_once(status: int) -> None:
    asked: list[str] = []

    def answer(request: Request) -> Response:
        asked.append(request.url.path)
        return Response("<html>no</html>", status)

    with (
        answering(answer) as url,
        connected(url) as connection,
        pytest.raises(ServerError, match=f"answered {status}.*look whether 'ovseg serve' runs"),
    ):
        connection.ask(Ask("GET", "/model"))
    assert len(asked) == 1


def test_a_server_that_comes_back_is_used_again(tmp_path: Path) -> None:
    with answering(lambda _: Response(b"up")) as url:
        connection = Connection(Address(url), QUICK, QUICK)
        assert connection.ask(Ask("GET", "/model")) == b"up"
    with pytest.raises(ServerError, match=r"cannot reach .* is 'ovseg serve' running there"):
        connection.ask(Ask("GET", "/model"))
    connection.close()


def test_waiting_for_a_server_ends_when_the_caller_wants_to_stop() -> None:
    busy = Response(status_code=503, headers={"Retry-After": "60"})
    asked: list[int] = []

    def stopped() -> bool:
        asked.append(1)
        return len(asked) > 4

    patient = Patience(attempts=9, first_wait=60, longest_wait=60)
    with answering(lambda _: busy) as url:
        connection = Connection(Address(url), patient, patient)
        with pytest.raises(Cancelled):
            connection.ask(Ask("GET", "/model"), Watch(cancel=stopped))
        connection.close()


def test_the_token_goes_to_the_server_and_to_nobody_it_points_to() -> None:
    seen: list[str | None] = []

    def other(request: Request) -> Response:
        seen.append(request.headers.get("Authorization"))
        return Response()

    with answering(other) as elsewhere:
        with (
            answering(lambda _: RedirectResponse(f"{elsewhere}/model")) as url,
            connected(url, TOKEN) as connection,
            pytest.raises(ServerError, match="307"),
        ):
            connection.ask(Ask("GET", "/model"))
        with connected(elsewhere, TOKEN) as connection:
            connection.ask(Ask("GET", "/model"))
    assert seen == [f"Bearer {TOKEN}"]


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"card": 3},
        {**MODEL, "card": {"name": "x"}},
        {**MODEL, "precision": 16},
        {**MODEL, "card": {**asdict(CARD), "news": 1}},
        [],
    ],
)
def test_something_else_at_the_address_is_an_error(told: object) -> None:
    with (
        answering(lambda _: JSONResponse(told)) as url,
        pytest.raises(ServerError, match="does not answer as 'ovseg serve'"),
    ):
        connect(Address(url))


def test_a_model_that_is_told_whole_is_a_session() -> None:
    with (
        answering(lambda _: JSONResponse(json.loads(json.dumps(MODEL)))) as url,
        connect(Address(url)) as session,
    ):
        assert session.card == CARD


def test_a_token_that_is_missing_is_said_with_what_to_do(tmp_path: Path) -> None:
    with served(FakeEngine(), tmp_path, token=TOKEN) as server:
        with pytest.raises(ServerError, match="none was given; name its file"):
            connect(Address(server.url))
        with pytest.raises(ServerError, match="ours is not one of its"):
            connect(Address(server.url, "another-token-here"))
        assert server.session().base_model == "fake@none"


def test_an_address_never_shows_its_token(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"# mine\n{TOKEN}\n")
    address = address_of("http://127.0.0.1:9100/", file, {})
    assert (address.url, address.token) == ("http://127.0.0.1:9100", TOKEN)
    assert TOKEN not in repr(address)
    assert address_of("http://h", None, {"OVSEG_SERVER_TOKEN": TOKEN}).token == TOKEN
    assert address_of("http://h", None, {}).token is None


@pytest.mark.parametrize("url", ["gpu-box:9100", "ftp://gpu-box", "http://a:b@gpu-box", ""])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(OptionError, match="server"):
        Address(url)


def test_an_answer_of_another_model_is_not_taken(tmp_path: Path) -> None:
    with served(FakeEngine(), tmp_path) as server:
        digest = "0" * 64
        body = {"vocabulary": "red", "weights": "1" * 64, "image": digest}
        answer = httpx2.post(f"{server.url}/annotate", json=body)
    assert (answer.status_code, answer.json()["kind"]) == (409, "ModelError")
