"""Every route of the Label Studio backend, asked from a description of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from effort import Effort
from hostile.guard import Bounds, guarded
from hostile.openapi_fuzzer import Fuzzer, check
from scripted_backend import CONFIG, TYPED, ScriptedBackend, batch_body
from starlette.testclient import TestClient
from suggesting import Backend

from labelstudio_backend.app import create_app
from labelstudio_backend.settings import Settings
from labelstudio_backend.webhooks import NotLearning

_JSON = {"content": {"application/json": {"schema": {"type": "object"}}}}
_ANSWERS = {"200": {}, "202": {}, "503": {}}
DESCRIPTION = {
    "openapi": "3.1.0",
    "paths": {
        **{path: {"get": {"responses": _ANSWERS}} for path in ("/", "/health", "/metrics")},
        "/versions": {
            "get": {"responses": _ANSWERS},
            "post": {"responses": _ANSWERS, "requestBody": _JSON},
        },
        **{
            path: {"post": {"responses": _ANSWERS, "requestBody": _JSON}}
            for path in ("/setup", "/predict", "/webhook", "/validate")
        },
    },
}
_STROKE = {
    "type": "brushlabels", "from_name": "poly", "to_name": "image", "id": "a",
    "original_width": 96, "original_height": 64, "image_rotation": 0, "is_positive": True,
    "value": {"format": "rle", "rle": [0, 0, 96, 0, 57, 27, 255], "brushlabels": ["red"]},
}  # fmt: skip
_CLICK = {
    "type": "keypointlabels", "from_name": "kp", "to_name": "image", "is_positive": True,
    "value": {"x": 30, "y": 40, "width": 1, "keypointlabels": ["red"]},
}  # fmt: skip
_EVENT = {"action": "ANNOTATION_CREATED", "project": {"id": 3}, "task": {"id": 1}}


def asked(*items: object) -> dict[str, object]:
    return batch_body(1) | {"params": {"context": {"result": list(items)}}}


def in_memory(body: dict[str, object]) -> dict[str, object]:
    """The same about a picture that is there."""
    return body | {"tasks": [{"id": 1, "data": {"image": "a"}}]}


EXAMPLES = {
    "post /predict": [
        in_memory(each) for each in (batch_body(1), asked(TYPED), asked(_STROKE), asked(_CLICK))
    ],
    "post /setup": [{"schema": CONFIG, "project": "3.17", "extra_params": {"threshold": 0.4}}],
    "post /webhook": [_EVENT, _EVENT | {"action": "START_TRAINING"}],
    "post /validate": [{"config": CONFIG}],
}
FUZZER = Fuzzer(DESCRIPTION, EXAMPLES)
OPERATIONS = {str(each): each for each in FUZZER.operations()}


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    """The whole backend, but for the network that fetches pictures and the one that looks."""
    backend = Backend()
    app = create_app(Settings(), backend.suggester, ScriptedBackend().sessions, NotLearning())
    with TestClient(app, raise_server_exceptions=False) as found:
        yield found


@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_request_makes_the_backend_fail(
    client: TestClient, operation: str, effort: Effort
) -> None:
    chance = effort.chance(operation)
    few, many = (40, 800) if OPERATIONS[operation].method == "post" else (8, 100)
    for number in effort.numbers(short=few, long=many, seconds=4):
        print(f"{operation}: request {number} of seed {effort.seed}")  # noqa: T201  when it fails
        request = FUZZER.request(OPERATIONS[operation], chance)
        with guarded(bounds=Bounds(seconds=5.0, memory=256 * 2**20)):
            response = client.send(request)
        check(OPERATIONS[operation], response)
    assert client.get("/health").status_code == 200
