"""Whatever comes in, the answer is JSON that says what is wrong, and nothing else happens."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_backend import GUARDED, Loaded, ScriptedBackend, ScriptedSuggester, batch_body
from starlette.testclient import TestClient
from starlette.types import Message

from labelstudio_backend.app import create_app
from labelstudio_backend.settings import Settings
from labelstudio_backend.webhooks import NotLearning

POSTS = ("/setup", "/predict", "/webhook", "/validate")


@pytest.fixture
def backend() -> ScriptedBackend:
    return ScriptedBackend()


@pytest.fixture
def client(backend: ScriptedBackend) -> Iterator[TestClient]:
    with backend.client() as found:
        yield found


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[1, 2",
        b'{"tasks": NaN}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a": ' + b"9" * 5000 + b"}",
        rb'{"tasks": [], "label_config": "\ud83d"}',
    ],
)
@pytest.mark.parametrize("path", POSTS)
def test_what_is_no_json_is_refused_as_such(client: TestClient, path: str, body: bytes) -> None:
    answer = client.post(path, content=body)
    assert answer.status_code == 400
    assert answer.json()["request_id"] == answer.headers["X-Request-Id"]


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        ("/predict", [], "an object"),
        ("/predict", {}, "'tasks' is missing"),
        ("/predict", {"tasks": {}}, "request.tasks"),
        ("/predict", {"tasks": [3], "label_config": ""}, "request.tasks[0]"),
        ("/predict", batch_body(1) | {"label_config": 3}, "request.label_config"),
        ("/predict", batch_body(1) | {"params": 3}, "request.params"),
        ("/predict", batch_body(1, 2) | {"params": {"context": {}}}, "about one task"),
        ("/setup", {"schema": None}, "request.schema"),
        ("/webhook", {"action": 3}, "request.action"),
        ("/webhook", {"action": "TASKS_CREATED", "project": {}}, "request.project"),
        ("/webhook", {"action": "TASKS_CREATED", "project": {"id": 1}, "tasks": 3}, ".tasks"),
        ("/validate", {}, "label_config"),
        ("/validate", {"config": "<View>"}, ""),
    ],
)
def test_a_wrong_type_is_refused_by_the_name_of_its_field(
    client: TestClient, path: str, body: object, named: str
) -> None:
    answer = client.post(path, json=body)
    assert answer.status_code == 422
    assert named in answer.json()["detail"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["tasks", "id", "data", "label_config", "params", "context", "result", "project",
                 "schema", "extra_params", "action", "annotation", "task", "type", "value"]
            )
            | st.text(max_size=4),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)  # fmt: skip


@pytest.fixture(scope="module")
def shared_client() -> Iterator[TestClient]:
    with ScriptedBackend().client() as found:
        yield found


@settings(max_examples=60)
@given(body=JSON, path=st.sampled_from(POSTS))
def test_no_json_makes_the_server_fail(shared_client: TestClient, body: object, path: str) -> None:
    answer = shared_client.post(path, content=json.dumps(body))
    assert answer.status_code in (200, 422)
    assert isinstance(answer.json(), dict)


def test_a_request_that_is_too_large_is_refused_before_it_is_read() -> None:
    with ScriptedBackend(settings=Settings(request_bytes=1000)).client() as client:
        announced = client.post("/predict", content=b"x" * 1001)
        streamed = client.post("/predict", content=iter([b"x" * 600, b"x" * 600]))
        fitting = client.post("/predict", content=b"x" * 1000)
    assert (announced.status_code, streamed.status_code, fitting.status_code) == (413, 413, 400)
    assert "1,000 bytes" in announced.json()["detail"]


def test_a_compressed_body_is_refused(client: TestClient) -> None:
    answer = client.post("/predict", content=b"x", headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 415


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/health/", 404),
        ("POST", "/train", 404),
        ("GET", "/predict", 405),
        ("DELETE", "/setup", 405),
        ("POST", "/health", 405),
        ("GET", "/../../etc/passwd", 404),
    ],
)
def test_an_unknown_route_or_method_is_answered_in_json(
    client: TestClient, method: str, path: str, status: int
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.json()["request_id"]


@pytest.mark.parametrize("path", [*POSTS, "/versions", "/metrics", "/nothing"])
def test_without_the_password_nothing_is_answered_and_nothing_is_read(path: str) -> None:
    with ScriptedBackend(settings=GUARDED).client() as client:
        for auth in (None, ("ada", "wrong"), ("pässwörd", "ada")):
            answer = client.post(path, content=b"\xff garbage", auth=auth)
            assert answer.status_code == 401
            assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")
        assert client.get("/metrics", auth=("ada", "pässwörd")).status_code == 200


def test_the_body_of_somebody_without_the_password_is_not_even_received() -> None:
    app = create_app(GUARDED, ScriptedSuggester(), Loaded(), NotLearning())
    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("the body was asked for")

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/predict",
        "headers": [(b"content-length", b"1000000000")],
        "query_string": b"",
    }
    anyio.run(app, scope, receive, send)
    assert sent[0]["status"] == 401


def test_a_web_page_cannot_drive_the_server(client: TestClient, backend: ScriptedBackend) -> None:
    answer = client.post("/predict", json=batch_body(1), headers={"Origin": "https://evil.net"})
    assert answer.status_code == 403
    assert backend.suggester.asked == []


def test_neither_answers_nor_the_log_hold_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "labelstudio_backend")
    secret = "0123456789abcdef" * 2
    with ScriptedBackend(settings=GUARDED).client() as client:
        body = {"schema": 3, "access_token": secret, "params": {"password": secret}}
        answers = [
            client.post("/setup", json=body, auth=("ada", "pässwörd")),
            client.post("/predict?token=" + secret, json=body, auth=("ada", "pässwörd")),
            client.post("/webhook", json=body, headers={"X-Webhook-Token": secret}),
        ]
    records = [each.getMessage() for each in caplog.records if "httpx" not in each.name]
    written = "\n".join([*records, *(each.text for each in answers)])
    assert "request.schema" in written
    assert not [each for each in (secret, "pässwörd", "hook-beef") if each in written]
