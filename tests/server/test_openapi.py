"""The description is true: of every route, and of what is really answered."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx2
import jsonschema
import pytest
from served import TOKEN, Served, options_in, png, put, served
from vector_engine import VectorEngine

from ovseg_annotate.pointing.marks import BoxMark, PointMark
from ovseg_annotate.server.openapi import description
from ovseg_annotate.vocabulary import Vocabulary
from ovseg_annotate.wire.packets import MEDIA_TYPE
from ovseg_annotate.wire.questions import (
    AnnotateQuestion,
    EvidenceQuestion,
    ExamplesQuestion,
    PickQuestion,
    Question,
    TextQuestion,
    VectorQuestion,
    field_names,
)
from ovseg_annotate.wire.subjects import Sight

DOCUMENT = description()
JSON = "application/json"
METHODS = ("get", "head", "put", "post", "delete")


def resolved(value: Any) -> Any:
    """With what is referred to in its place."""
    if isinstance(value, dict):
        if "$ref" in value:
            found: Any = DOCUMENT
            for part in value["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            return resolved(found)
        return {name: resolved(each) for name, each in value.items()}
    return [resolved(each) for each in value] if isinstance(value, list) else value


PATHS: dict[str, Any] = resolved(DOCUMENT["paths"])


def check_described(answer: httpx2.Response) -> None:
    """The answer has a status, a type and a body that the description knows."""
    path = next(
        name for name in PATHS
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", name), answer.request.url.path)
    )  # fmt: skip
    told = PATHS[path][answer.request.method.lower()]["responses"][str(answer.status_code)]
    if answer.request.method == "HEAD" or not answer.content:
        return
    kind = answer.headers["Content-Type"].partition(";")[0]
    assert kind in told["content"], (path, answer.status_code, kind)
    if kind == "application/json" and "schema" in told["content"][kind]:
        jsonschema.validate(answer.json(), told["content"][kind]["schema"])
    for name in told.get("headers", {}):
        assert name in answer.headers or answer.status_code == 503


def test_every_route_is_described_and_nothing_else(tmp_path: Path) -> None:
    from ovseg_annotate.server.app import create_app  # noqa: PLC0415

    with served(VectorEngine(), tmp_path) as server:
        app = create_app(server.house)
        there = {
            (route.path, method.lower())
            for route in app.routes
            for method in route.methods  # type: ignore[attr-defined]
        }
    told = {(path, name) for path, item in PATHS.items() for name in item if name in METHODS}
    assert told == there


def test_the_served_description_is_this_one(tmp_path: Path) -> None:
    with served(VectorEngine(), tmp_path) as server:
        assert httpx2.get(f"{server.url}/openapi.json").json() == DOCUMENT


def questions(digest: str) -> list[Question]:
    sight, words = Sight(digest), Vocabulary.parse("red; blue")
    marks = (PointMark("red", 9, 9), BoxMark("blue", 1, 1, 20, 20))
    return [
        AnnotateQuestion(sight, words),
        ExamplesQuestion(sight, marks),
        PickQuestion(sight, marks[:1], vocabulary=words),
        VectorQuestion(sight),
        EvidenceQuestion(sight, words, AnnotateQuestion(sight, words).options, (1, 2, 30, 30)),
        TextQuestion(words),
    ]


@pytest.mark.parametrize("number", range(6))
def test_questions_of_our_client_are_as_described(number: int) -> None:
    question = questions("a" * 64)[number]
    told = PATHS[question.PATH]["post"]["requestBody"]["content"]["application/json"]["schema"]
    jsonschema.validate(json.loads(json.dumps(question.plain())), told)
    assert set(told["properties"]) == set(field_names(type(question)))


def test_real_answers_good_and_bad_are_as_described(tmp_path: Path) -> None:
    options = options_in(tmp_path, image_bytes=100_000, question_bytes=3000)
    with (
        served(VectorEngine(), tmp_path, options, token=TOKEN) as server,
        httpx2.Client(base_url=server.url, headers=server.headers, timeout=20) as client,
    ):
        for answer in answers(client, server):
            check_described(answer)


def answers(client: httpx2.Client, server: Served) -> list[httpx2.Response]:
    digest = put(client, png())
    found = [client.get(path) for path in ("/health", "/model", "/metrics", "/openapi.json")]
    for question in questions(digest):
        found += [
            client.post(question.PATH, json=question.plain(), headers={"Accept": MEDIA_TYPE}),
            client.post(question.PATH, json=question.plain(), headers={"Accept": JSON}),
            client.post(question.PATH, content=b"{"),
            client.post(question.PATH, json={}),
            client.post(question.PATH, json={"vocabulary": "x" * 4000}),
            client.post(question.PATH, json={}, headers={"Content-Encoding": "gzip"}),
            client.post(question.PATH, json={}, headers={"Origin": "https://evil.example"}),
            httpx2.post(server.url + question.PATH, json={}),
        ]
        assert found[-8].status_code == 200
    for kind in ("images", "examples", "lessons"):
        found += [
            client.head(f"/{kind}/{digest}"),
            client.head(f"/{kind}/{'0' * 64}"),
            client.head(f"/{kind}/short"),
            client.put(f"/{kind}/{digest}", content=png()),
            client.put(f"/{kind}/{digest}", content=b"other"),
            client.put(f"/{kind}/short", content=b"other"),
            httpx2.put(f"{server.url}/{kind}/{digest}", content=png()),
        ]
    found.append(client.put(f"/images/{digest}", content=b"x" * 200_000))
    for reference in ("/etc/passwd", "http://127.0.0.1:1/a.png", "ftp://x", 7):
        found.append(client.post("/images", json={"reference": reference}))
    found += [client.get("/jobs/none/events"), client.delete("/jobs/none")]
    return found


def test_the_document_is_openapi_as_far_as_its_own_references_go() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(resolved(schema))


def test_every_option_that_is_described_is_read() -> None:
    told = DOCUMENT["components"]["schemas"]["AnnotateOptions"]["properties"]
    assert told["refine"]["properties"]["method"] == {"enum": ["none", "snap", "denoise"]}
    assert told["overlap"] == {"anyOf": [{"type": "number"}, {"type": "null"}]}
