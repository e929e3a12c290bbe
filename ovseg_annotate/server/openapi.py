"""What the server tells of itself: an OpenAPI 3.1 description, made from the types it reads."""

from __future__ import annotations

from collections.abc import Sequence

from ovseg_annotate._version import __version__
from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.card import EngineCard
from ovseg_annotate.image import ReadingOptions
from ovseg_annotate.pointing.picking import PickOptions
from ovseg_annotate.region_options import RegionOptions
from ovseg_annotate.server.schemas import Plain, object_of, schema_of
from ovseg_annotate.wire.packets import MEDIA_TYPE

_OPTIONS = (AnnotateOptions, ReadingOptions, RegionOptions, PickOptions)
_DIGEST: Plain = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_WORDS: Plain = {"type": "string", "description": "Concepts in the grammar: car: sedan; road; -sky"}
_BINARY: Plain = {MEDIA_TYPE: {}}

# What may come instead of an answer; the sentence in `detail` says more.
_PROBLEMS = {
    "400": "The body is not JSON, or the request is not HTTP as it should be.",
    "401": "A bearer token is needed.",
    "403": "The request comes from a web page, or names a picture that may not be read.",
    "404": "What the path or the question names is not here; `missing` says what to send.",
    "408": "The body did not arrive in time.",
    "409": "Cancelled; or another request has this id; or another model is served.",
    "413": "The body is larger than the server reads.",
    "415": "The body is coded; send it as it is.",
    "422": "The question cannot be answered as it is asked.",
    "429": "The client has as many requests in work as it may.",
    "500": "A defect of the server.",
    "502": "The picture that was named did not come.",
    "503": "Busy, loading or stopping: Retry-After says when to ask again.",
    "507": "The disk of the server is full.",
}
_EVERYWHERE = ("401", "403", "500")
_OF_BODIES = ("400", "408", "413", "415", "422", "429")
_OF_QUESTIONS = (*_OF_BODIES, "404", "409", "503")


def description() -> Plain:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ovseg serve",
            "version": __version__,
            "description": (
                "Send a picture once, then ask about it in small questions. Binary answers are in "
                "the safetensors format; docs/server.md tells what is in them."
            ),
        },
        "security": [{"token": []}, {}],
        "paths": {
            "/health": {"get": _operation("Alive, always.", _json("Health"), ("403", "500"))},
            "/model": {"get": _operation("What is served.", _json("Model"), ("503",))},
            "/metrics": {"get": _operation("For Prometheus.", {"text/plain": {}}, ())},
            "/openapi.json": {"get": _operation("This.", {"application/json": {}}, ())},
            "/images": {"post": _named_image()},
            "/images/{digest}": _upload("a picture", "Image"),
            "/examples/{digest}": _upload("visual examples", "Received"),
            "/lessons/{digest}": _upload("a lesson", "Received"),
            **{f"/{name}": {"post": _question(name)} for name in _QUESTIONS},
            "/jobs/{name}/events": _job("get", "How far a request is.", {"text/event-stream": {}}),
            "/jobs/{name}": _job("delete", "Stop a request.", None),
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(),
            "responses": {f"Problem{status}": _problem(status) for status in _PROBLEMS},
        },
    }


_MODEL_FIELDS: Plain = {
    "weights": {"type": ["string", "null"], "description": "weights_digest of the card meant"},
    "lesson": {"anyOf": [_DIGEST, {"type": "null"}]},
    "patient": {"type": "boolean", "description": "Nobody waits: others go first."},
}
_SIGHT_FIELDS: Plain = {
    "image": _DIGEST,
    "reading": {"$ref": "#/components/schemas/ReadingOptions"},
}
_MARKS: Plain = {
    "type": "array",
    "maxItems": 10_000,
    "items": {"$ref": "#/components/schemas/Mark"},
}
_ANNOTATE: Plain = {"$ref": "#/components/schemas/AnnotateOptions"}
_QUESTIONS: dict[str, tuple[str, Plain, tuple[str, ...]]] = {
    "annotate": (
        "A label for every pixel, or polygons as JSON.",
        {
            **_SIGHT_FIELDS,
            "vocabulary": _WORDS,
            "options": _ANNOTATE,
            "examples": {"anyOf": [_DIGEST, {"type": "null"}]},
            "regions": {"$ref": "#/components/schemas/RegionOptions"},
            "name": {"type": ["string", "null"]},
        },
        ("image", "vocabulary"),
    ),
    "examples": (
        "What marked things look like.",
        {**_SIGHT_FIELDS, "marks": _MARKS, "options": _ANNOTATE},
        ("image", "marks"),
    ),
    "pick": (
        "The one object that marks mean.",
        {
            **_SIGHT_FIELDS,
            "marks": _MARKS,
            "options": {"$ref": "#/components/schemas/PickOptions"},
            "vocabulary": {"type": ["string", "null"]},
        },
        ("image", "marks"),
    ),
    "vector": ("How a picture looks.", {**_SIGHT_FIELDS, "options": _ANNOTATE}, ("image",)),
    "evidence": (
        "What the words say of the cells in a part of a picture.",
        {
            **_SIGHT_FIELDS,
            "vocabulary": _WORDS,
            "options": _ANNOTATE,
            "box": {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4},
        },
        ("image", "vocabulary", "box"),
    ),
    "text": (
        "The vectors of all phrases.",
        {"vocabulary": _WORDS, "contrast": {"type": "string"}},
        ("vocabulary",),
    ),
}


def _question(name: str) -> Plain:
    sentence, _, _ = _QUESTIONS[name]
    answer = {**_BINARY, **_json("Record")} if name == "annotate" else _BINARY
    operation = _operation(sentence, answer, _OF_QUESTIONS)
    operation["requestBody"] = _body(_json(name.capitalize() + "Question"))
    operation["parameters"] = [
        {
            "name": "X-Request-Id",
            "in": "header",
            "description": "Names the job of this request while it is in work.",
            "schema": {"type": "string", "pattern": "^[A-Za-z0-9_.-]{1,64}$"},
        }
    ]
    return operation


def _upload(what: str, answer: str) -> Plain:
    put = _operation(f"Send {what}.", _json(answer), (*_OF_BODIES, "507"), status="201")
    put["requestBody"] = _body({"application/octet-stream": {}})
    head = _operation(f"Whether {what} is here.", None, ("422",))
    # A HEAD has no body, so its problems have none either.
    for status in ("401", "403", "404", "422", "500"):
        head["responses"][status] = {"description": _PROBLEMS[status]}
    path = {"name": "digest", "in": "path", "required": True, "schema": _DIGEST}
    return {"parameters": [path], "head": head, "put": put}


def _named_image() -> Plain:
    operation = _operation(
        "Take in a picture that is named: an address of an allowed host, or a path in an allowed "
        "folder.",
        _json("Image"),
        (*_OF_BODIES, "502", "507"),
        status="201",
    )
    operation["requestBody"] = _body(_json("Reference"))
    return operation


def _job(method: str, sentence: str, answer: Plain | None) -> Plain:
    name = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
    status = "204" if answer is None else "200"
    return {"parameters": [name], method: _operation(sentence, answer, ("404",), status=status)}


def _operation(
    sentence: str, answer: Plain | None, problems: Sequence[str], *, status: str = "200"
) -> Plain:
    found: Plain = {"description": sentence}
    if answer is not None:
        found["content"] = answer
    told = {each: {"$ref": f"#/components/responses/Problem{each}"} for each in problems}
    everywhere = {each: {"$ref": f"#/components/responses/Problem{each}"} for each in _EVERYWHERE}
    return {"summary": sentence, "responses": {status: found, **everywhere, **told}}


def _body(content: Plain) -> Plain:
    return {"required": True, "content": content}


def _json(schema: str) -> Plain:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def _problem(status: str) -> Plain:
    found: Plain = {"description": _PROBLEMS[status], "content": _json("Problem")}
    if status in ("429", "503"):
        found["headers"] = {"Retry-After": {"schema": {"type": "integer", "minimum": 0}}}
    return found


def _schemas() -> Plain:
    texts = {"type": "string"}
    whole = {"type": "integer", "minimum": 0}
    return {
        "Health": object_of(
            {"status": {"const": "UP"}, "model": {"enum": ["loading", "ready", "failed"]}}
        ),
        "Model": object_of(
            {
                "model": texts,
                "precision": texts,
                "engine_options": {"type": "array", "items": texts},
                "version": texts,
                "card": schema_of(EngineCard, required=True),
            }
        ),
        "Image": object_of({"image": _DIGEST, "bytes": whole}),
        "Received": object_of({"bytes": whole}),
        "Reference": object_of({"reference": {"type": "string", "maxLength": 8192}}),
        "Problem": object_of(
            {"detail": texts, "request_id": texts, "kind": texts, "missing": texts},
            required=("detail", "request_id"),
        ),
        "Record": {
            "type": "object",
            "description": "The record of a run folder, as `ovseg annotate` writes it.",
            "required": ["schema", "kind", "name", "width", "height", "vocabulary", "regions"],
        },
        "Mark": _marks(),
        **{kind.__name__: schema_of(kind, required=False) for kind in _OPTIONS},
        **{
            name.capitalize() + "Question": object_of(
                {**fields, **_MODEL_FIELDS}, required=required
            )
            for name, (_, fields, required) in _QUESTIONS.items()
        },
    }


def _marks() -> Plain:
    number, side = {"type": "number"}, {"type": "integer", "minimum": 1}
    common = {"concept": {"type": "string"}, "positive": {"type": "boolean"}}
    mask = object_of(
        {
            "box": {"type": "array", "items": {"type": "integer"}, "minItems": 4, "maxItems": 4},
            "counts": {"type": "string"},
        }
    )

    def mark(kind: str, own: Plain) -> Plain:
        fields = {"kind": {"const": kind}, **own, **common}
        return object_of(fields, required=("kind", "concept", *own))

    return {
        "oneOf": [
            mark("point", {"x": number, "y": number}),
            mark("box", dict.fromkeys(("left", "top", "right", "bottom"), number)),
            mark("area", {"height": side, "width": side, "mask": mask}),
        ]
    }
