"""One picture to Label Studio, against a server that answers as Label Studio does."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from typing import Any

import httpx2
import numpy as np
import pytest
from annotated_layers import picture
from PIL import Image as PillowImage

from napari_plugin.send import LabelStudio, SendError
from ovseg_annotate.errors import FormatError
from ovseg_annotate.image import Image, from_array

PERSONAL_TOKEN = "aa.bb.cc"  # noqa: S105  three parts, as a JWT has
CONFIG = """<View><Image name="img" value="$photo"/>
<PolygonLabels name="poly" toName="img"><Label value="zebra"/><Label value="apple"/></PolygonLabels>
</View>"""


@dataclass
class FakeServer:
    """Answers the calls that sending makes; `broken` names a path that answers 500."""

    config: str = CONFIG
    broken: str = ""
    tasks: dict[int, bytes] = field(default_factory=dict)
    answers: list[dict[str, Any]] = field(default_factory=list)
    headers: list[str | None] = field(default_factory=list)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        if self.broken and path.startswith(self.broken):
            return httpx2.Response(500, text="the disk is full")
        if path == "/api/token/refresh/":
            good = json.loads(request.content) == {"refresh": PERSONAL_TOKEN}
            return httpx2.Response(200, json={"access": "short"}) if good else _refused()
        self.headers.append(request.headers.get("Authorization"))
        if self.headers[-1] not in ("Bearer short", "Token legacy"):
            return _refused()
        return self._answer(request, path)

    def _answer(self, request: httpx2.Request, path: str) -> httpx2.Response:
        if path == "/api/projects/7/":
            return httpx2.Response(200, json={"id": 7, "label_config": self.config})
        if path == "/api/projects/7/import":
            assert request.url.params["return_task_ids"] == "true"
            number = len(self.tasks) + 1
            self.tasks[number] = request.content
            return httpx2.Response(201, json={"task_count": 1, "task_ids": [number]})
        if request.method == "DELETE":
            del self.tasks[int(path.split("/")[3])]
            return httpx2.Response(204)
        if path.startswith(("/api/predictions/", "/api/tasks/")):
            self.answers.append({"path": path, **json.loads(request.content)})
            return httpx2.Response(201, json={"id": 1})
        return httpx2.Response(404, json={"detail": "Not found."})


def _refused() -> httpx2.Response:
    return httpx2.Response(401, json={"detail": "Invalid token."})


def photo() -> Image:
    return from_array(np.arange(40 * 60 * 3, dtype=np.uint8).reshape(40, 60, 3))


def send(server: FakeServer, *, key: str = PERSONAL_TOKEN, project: int = 7, **given: Any) -> int:
    transport = httpx2.MockTransport(server)
    with LabelStudio("http://host", key, transport) as label_studio:
        return label_studio.send(project, photo(), picture(**given))


def test_a_suggestion_becomes_a_task_with_a_prediction() -> None:
    server = FakeServer()
    assert send(server) == 1
    (answer,) = server.answers
    assert answer["path"] == "/api/predictions/"
    assert answer["task"] == 1
    assert 0 < answer["score"] <= 1
    assert answer["model_version"]
    (first, *_) = answer["result"]
    assert (first["from_name"], first["to_name"], first["type"]) == ("poly", "img", "polygonlabels")


def test_what_a_person_drew_becomes_an_annotation() -> None:
    server = FakeServer()
    send(server, by_a_person=True)
    assert server.answers[0]["path"] == "/api/tasks/1/annotations/"


def test_the_picture_arrives_whole() -> None:
    server = FakeServer()
    send(server)
    body = server.tasks[1]
    start = body.index(b"\x89PNG")
    pixels = np.asarray(PillowImage.open(io.BytesIO(body[start:])))
    assert np.array_equal(pixels, photo().pixels)


def test_a_legacy_token_is_used_as_it_is() -> None:
    server = FakeServer()
    send(server, key="legacy")
    assert set(server.headers) == {"Token legacy"}


@pytest.mark.parametrize("key", ["wrong", "w.r.ong"])
def test_a_token_that_is_refused_says_where_there_is_another(key: str) -> None:
    with pytest.raises(SendError, match="Personal Access Token"):
        send(FakeServer(), key=key)


def test_a_task_without_its_regions_is_not_left_behind() -> None:
    server = FakeServer(broken="/api/predictions/")
    with pytest.raises(SendError, match="the disk is full"):
        send(server)
    assert server.tasks == {}


def test_concepts_that_the_project_does_not_know_are_named_before_anything_is_sent() -> None:
    server = FakeServer(config=CONFIG.replace("apple", "pear"))
    with pytest.raises(SendError, match=r"does not know 'apple'.*Labeling Interface"):
        send(server)
    assert server.tasks == {}


def test_a_project_with_brushes_only_gets_brushes() -> None:
    config = CONFIG.replace("PolygonLabels", "BrushLabels")
    server = FakeServer(config=config)
    send(server)
    assert server.answers[0]["result"][0]["type"] == "brushlabels"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("<View/>", "no PolygonLabels"),
        ("<View>", "not valid XML"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><View/>', "declares entities"),
    ],
)
def test_a_config_that_cannot_hold_regions_says_why(config: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        send(FakeServer(config=config))


def test_a_project_that_is_not_there_is_named() -> None:
    with pytest.raises(SendError, match="projects/8/ is not there"):
        send(FakeServer(), project=8)


def test_a_server_that_is_not_there_says_what_to_check() -> None:
    def away(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused", request=request)

    label_studio = LabelStudio("http://host", "legacy", httpx2.MockTransport(away))
    with label_studio, pytest.raises(SendError, match="does not answer"):
        label_studio.send(7, photo(), picture())


def test_a_page_that_is_no_label_studio_says_so() -> None:
    def page(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, text="<html>hello</html>")

    label_studio = LabelStudio("http://host", "legacy", httpx2.MockTransport(page))
    with label_studio, pytest.raises(SendError, match="is no Label Studio"):
        label_studio.send(7, photo(), picture())


@pytest.mark.parametrize(("server", "key"), [("localhost:8080", "k"), ("http://host", "")])
def test_an_address_and_a_token_are_needed(server: str, key: str) -> None:
    with pytest.raises(SendError, match=r"no address|a token is needed"):
        LabelStudio(server, key)
