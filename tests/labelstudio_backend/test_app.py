"""Every route, asked well and asked badly."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest
from scripted_backend import (
    CONFIG,
    GUARDED,
    TYPED,
    VERSION,
    Hold,
    Loaded,
    ScriptedBackend,
    ScriptedSuggester,
    batch_body,
)
from starlette.testclient import TestClient

from labelstudio_backend.errors import LabelConfigError
from labelstudio_backend.wire import PredictRequest
from ovseg_annotate.errors import MemoryLimitError, OvsegError
from ovseg_annotate.web.background import ModelStatus, StillLoading
from ovseg_annotate.web.work import Stopped


@pytest.fixture
def backend() -> ScriptedBackend:
    return ScriptedBackend()


@pytest.fixture
def client(backend: ScriptedBackend) -> Iterator[TestClient]:
    with backend.client() as found:
        yield found


def with_context(*items: object) -> dict[str, object]:
    return batch_body(7) | {"params": {"context": {"result": list(items)}}}


@pytest.mark.parametrize("path", ["/", "/health"])
def test_health_tells_that_the_server_is_up_and_how_far_the_model_is(path: str) -> None:
    for status in (ModelStatus("loading", "3 MB"), ModelStatus("ready")):
        with ScriptedBackend(sessions=Loaded(status=status)).client() as client:
            answer = client.get(path).json()
            assert (answer["status"], answer["model"]) == ("UP", status.stage)


def test_why_the_model_failed_is_told_to_those_who_may_know() -> None:
    failed = Loaded(status=ModelStatus("failed", "/home/ada/weights is damaged"))
    with ScriptedBackend(sessions=failed, settings=GUARDED).client() as client:
        assert client.get("/health").json()["model"] == "failed"
        told = client.get("/health", auth=("ada", "pässwörd")).json()["model"]
        assert told == "failed: /home/ada/weights is damaged"


def test_setup_tells_the_version(client: TestClient) -> None:
    body = {
        "project": "3.1795167173",
        "schema": CONFIG,
        "hostname": "http://127.0.0.1:18080",
        "access_token": "0123456789abcdef0123456789abcdef01234567",
        "extra_params": {"hello": "world"},
    }
    answer = client.post("/setup", json=body)
    assert (answer.status_code, answer.json()) == (200, {"model_version": VERSION})
    assert client.get("/versions").json() == {"versions": [VERSION]}
    assert client.post("/versions", json={}).json() == {"versions": [VERSION]}


def test_before_any_setup_versions_name_the_model(client: TestClient) -> None:
    assert client.get("/versions").json() == {"versions": ["fake@none"]}


def test_setup_of_a_model_that_failed_says_why() -> None:
    failed = Loaded(status=ModelStatus("failed", "no such weights"))
    with ScriptedBackend(sessions=failed).client() as client:
        answer = client.post("/setup", json={"schema": CONFIG, "project": "1.2"})
    assert answer.status_code == 503
    assert "no such weights" in answer.json()["detail"]


def test_a_batch_is_answered_in_order_with_no_setup_before(
    client: TestClient, backend: ScriptedBackend
) -> None:
    backend.suggester.fails = lambda task: "no picture" if task.id == 8 else None
    answer = client.post("/predict", json=batch_body(7, 8, 9))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    results = answer.json()["results"]
    assert [bool(result) for result in results] == [True, False, True]
    assert results[0]["model_version"] == answer.json()["model_version"] == VERSION
    assert [task.data["image"][-5:] for task in backend.suggester.asked[0].tasks] == [
        "7.png",
        "8.png",
        "9.png",
    ]


def test_an_interactive_request_that_fails_is_answered_with_a_dict(
    client: TestClient, backend: ScriptedBackend
) -> None:
    backend.suggester.fails = lambda _: "no picture"
    (result,) = client.post("/predict", json=with_context(TYPED)).json()["results"]
    assert isinstance(result, dict)


def test_no_tasks_are_no_error(client: TestClient) -> None:
    assert client.post("/predict", json=batch_body()).json()["results"] == []


@dataclass
class Raises:
    """A suggester's way to fail."""

    error: Exception

    def __call__(self, request: PredictRequest, stopped: Stopped) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "status", "waits"),
    [
        (StillLoading("still loading"), 503, "10"),
        (LabelConfigError("no labels"), 422, None),
        (MemoryLimitError("too many concepts"), 422, None),
        (OvsegError("put it right"), 422, None),
    ],
)
def test_an_error_is_answered_with_its_message(
    client: TestClient, backend: ScriptedBackend, error: Exception, status: int, waits: str | None
) -> None:
    backend.suggester.acts = Raises(error)
    answer = client.post("/predict", json=batch_body(1))
    assert (answer.status_code, answer.json()["detail"]) == (status, str(error))
    assert answer.headers.get("Retry-After") == waits


def test_a_defect_shows_nothing_but_an_id_that_the_log_has_too(
    client: TestClient, backend: ScriptedBackend, caplog: pytest.LogCaptureFixture
) -> None:
    backend.suggester.acts = Raises(KeyError("s3cr3t"))
    answer = client.post("/predict", json=batch_body(1), headers={"X-Request-Id": "abc-1"})
    assert answer.status_code == 500
    assert answer.json() == {
        "detail": "the server failed; its log says more",
        "request_id": "abc-1",
    }
    (record,) = [each for each in caplog.records if each.exc_info]
    assert "abc-1" in record.getMessage()


def test_a_strange_request_id_is_replaced(client: TestClient) -> None:
    answer = client.get("/health", headers={"X-Request-Id": "a b;c" * 30})
    assert len(answer.headers["X-Request-Id"]) == 32


@pytest.mark.parametrize("name", ["config", "label_config"])
def test_validate_tells_what_a_config_means(client: TestClient, name: str) -> None:
    understood = client.post("/validate", json={name: CONFIG}).json()
    red, sky = understood["concepts"]
    assert (red["name"], sky["negative"]) == ("red", True)
    assert "a red car" in red["phrases"]
    assert [each["name"] for each in understood["controls"]] == ["poly"]
    assert understood["prompts"] == ["prompt"]


def test_metrics_count_requests_and_tell_the_queue(client: TestClient) -> None:
    client.post("/predict", json=batch_body(1))
    client.get("/" + "x" * 50)
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'ovseg_requests_total{route="/predict",status="200"} 1' in answer.text
    assert 'ovseg_requests_total{route="other",status="404"} 1' in answer.text
    assert "ovseg_queue_depth 0" in answer.text
    assert "xxx" not in answer.text


def test_setup_does_not_wait_for_weights_longer_than_label_studio_does(
    backend: ScriptedBackend,
) -> None:
    hold = Hold()

    class Waiting(ScriptedSuggester):
        def model_version(
            self, label_config: str, extra_params: Mapping[str, object], project: str = ""
        ) -> str:
            hold.released.wait(20)
            return super().model_version(label_config, extra_params, project)

    backend.suggester = Waiting()
    with backend.client() as client:
        answer = client.post("/setup", json={"schema": CONFIG})
        hold.released.set()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")


def test_large_answers_are_whole(client: TestClient, backend: ScriptedBackend) -> None:
    answer = client.post("/predict", json=batch_body(*range(200)))
    assert len(json.loads(answer.content)["results"]) == len(backend.suggester.asked[0].tasks)
