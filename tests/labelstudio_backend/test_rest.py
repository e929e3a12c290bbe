"""Requests that are sent again, and those that are not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import httpx2
import pytest
from fake_label_studio import PROJECT, FakeLabelStudio, Fault
from loopback import listening
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from labelstudio_backend.label_studio import LabelStudio
from labelstudio_backend.rest import LabelStudioError, RestClient, UnknownOutcomeError
from labelstudio_backend.tokens import Tokens
from ovseg_annotate.errors import Cancelled
from ovseg_annotate.web.retries import Patience

PATH = "/api/anything"


class Scripted:
    """Answers in turn; the last answer is given again and again."""

    def __init__(self, *answers: Response) -> None:
        self._answers = list(answers)
        self.requests: list[Request] = []

    @property
    def app(self) -> Starlette:
        methods = ["GET", "POST", "PATCH"]
        return Starlette(routes=[Route("/{path:path}", self._answer, methods=methods)])

    async def _answer(self, request: Request) -> Response:
        self.requests.append(request)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@contextmanager
def client_of(
    app: Starlette, pause: Callable[[float], None] = lambda seconds: None
) -> Iterator[RestClient]:
    with (
        listening(app) as url,
        closing(Tokens(url, "plain")) as tokens,
        closing(RestClient(url, tokens, Patience(attempts=4), pause)) as client,
    ):
        yield client


FINE = JSONResponse({"fine": True})


def busy(status: int = 503, retry_after: str = "") -> Response:
    return JSONResponse({}, status, headers={"Retry-After": retry_after} if retry_after else {})


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_question_is_asked_again_while_the_server_is_busy(status: int) -> None:
    script = Scripted(busy(status), busy(status), FINE)
    with client_of(script.app) as client:
        assert client.get(PATH).value == {"fine": True}
    assert len(script.requests) == 3


def test_waits_grow_and_heed_what_the_server_asks_for() -> None:
    waits: list[float] = []
    script = Scripted(busy(), busy(), busy(429, retry_after="7"), FINE)
    with client_of(script.app, waits.append) as client:
        client.get(PATH)
    first, second, asked = waits
    assert 0.25 <= first <= 0.5 <= second <= 1.0
    assert asked == 7


def test_a_server_that_stays_busy_is_an_error_that_says_so() -> None:
    script = Scripted(busy(502))
    with client_of(script.app) as client, pytest.raises(LabelStudioError, match=r"502 .* 4 times"):
        client.get(PATH)
    assert len(script.requests) == 4


def test_something_is_created_again_only_when_it_was_surely_refused() -> None:
    script = Scripted(busy(429), FINE)
    with client_of(script.app) as client:
        assert client.post(PATH, {}).value == {"fine": True}
    script = Scripted(busy(502), FINE)
    with (
        client_of(script.app) as client,
        pytest.raises(UnknownOutcomeError, match="may or may not"),
    ):
        client.post(PATH, {})
    assert len(script.requests) == 1


def test_an_answer_that_breaks_off_leaves_the_outcome_unknown() -> None:
    fake = FakeLabelStudio(1, lambda method, path, number: Fault.DROPPED)
    with client_of(fake.app) as client, pytest.raises(UnknownOutcomeError):
        LabelStudio(client).add_prediction(1, {"model_version": "v"})
    assert fake.stored == {1: ["v"]}


def test_a_server_that_is_away_is_asked_again_even_to_create() -> None:
    url = "http://127.0.0.1:1"
    patience = Patience(attempts=3, first_wait=0)
    with (
        closing(Tokens(url, "plain")) as tokens,
        closing(RestClient(url, tokens, patience)) as client,
        pytest.raises(LabelStudioError, match="3 times; look whether Label Studio runs"),
    ):
        client.post(PATH, {})


def test_a_stop_ends_the_waiting() -> None:
    def stop(seconds: float) -> None:
        raise Cancelled("stopped")

    with client_of(Scripted(busy()).app, stop) as client, pytest.raises(Cancelled):
        client.get(PATH)


def test_a_token_that_expired_early_is_renewed_once() -> None:
    script = Scripted(JSONResponse({}, 401), FINE)
    with client_of(script.app) as client:
        client.get(PATH)
    script = Scripted(JSONResponse({"detail": "no"}, 401))
    with client_of(script.app) as client, pytest.raises(LabelStudioError, match="API_KEY"):
        client.get(PATH)
    assert len(script.requests) == 2


def test_a_redirect_is_not_followed_with_the_token() -> None:
    script = Scripted(RedirectResponse("https://elsewhere.example.com/"))
    with client_of(script.app) as client, pytest.raises(LabelStudioError, match="elsewhere"):
        client.get(PATH)
    assert len(script.requests) == 1


def test_a_page_instead_of_json_is_told_as_such() -> None:
    script = Scripted(PlainTextResponse("<html>welcome</html>"))
    with client_of(script.app) as client, pytest.raises(LabelStudioError, match="no JSON"):
        client.get(PATH)


def test_reasons_are_shown_without_what_surrounds_them() -> None:
    errors = {"validation_errors": {"url": ["<b>Cannot</b> connect."]}, "version": "1.23.2"}
    script = Scripted(JSONResponse(errors, 400))
    with client_of(script.app) as client, pytest.raises(LabelStudioError) as caught:
        client.post(PATH, {})
    assert str(caught.value).endswith(f"answered 400 to POST {PATH}: Cannot connect.")
    assert caught.value.status == httpx2.codes.BAD_REQUEST


def test_tasks_are_read_page_after_page_without_those_that_are_done() -> None:
    fake = FakeLabelStudio(250, stored={2: ["v"], 240: ["v"], 241: ["other"]})
    with client_of(fake.app) as client:
        studio = LabelStudio(client)
        found = [task.id for task in studio.tasks(PROJECT, "v")]
        assert studio.task_count(PROJECT, "v") == 248
    assert found == [task for task in range(1, 251) if task not in (2, 240)]
