"""Asks an application everything that its own OpenAPI description allows, and what it does not.

Point it at any ASGI application and a description: for each operation it makes requests that fit
the schemas and changes them. Whatever comes, the answer has to be one of ours: no status of 500,
JSON where an error is told, and nothing but what the description announces.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx2
from hostile.mutations import inputs, mutated

# Of any server: what is no such route, no such method, or no request at all.
_ALWAYS = frozenset({400, 404, 405, 408, 413, 415, 422})
METHODS = ("get", "post", "put", "patch", "delete")
_STRANGE_PATHS = (
    "",
    "..",
    "%2e%2e%2f",
    "a/b",
    "%00",
    "\u00e9",
    "x" * 2000,
    "-1",
    "0",
    "1e99",
    "{}",
)
_STRANGE_HEADERS = (
    {"Content-Type": "text/xml"}, {"Content-Type": ""}, {"Content-Encoding": "gzip"},
    {"Content-Length": "5"}, {"Authorization": "Basic " + "A" * 3000}, {"Authorization": "Bearer"},
    {"Accept": "text/html"}, {"Range": "bytes=0-1,3-"}, {"If-None-Match": "*"}, {"Host": "a\u00e9"},
    {"X-Forwarded-For": "127.0.0.1"}, {"Transfer-Encoding": "chunked"}, {"Expect": "100-continue"},
)  # fmt: skip


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    method: str
    path: str  # with {names}
    parameters: tuple[Mapping[str, Any], ...]
    bodies: Mapping[str, Any]  # schema by media type
    statuses: frozenset[str]  # announced; "default" stands for all others

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass
class Fuzzer:
    """Makes requests from a description; what the application likes can be told."""

    description: Mapping[str, Any]
    examples: Mapping[str, list[Any]] = field(default_factory=dict)  # bodies by "method path"
    values: Mapping[str, str] = field(default_factory=dict)  # of parameters, by name
    headers: Mapping[str, str] = field(default_factory=dict)  # such as a password

    def operations(self) -> Iterator[Operation]:
        for path, item in self.description["paths"].items():
            shared = tuple(map(self._resolved, item.get("parameters", ())))
            for method in METHODS:
                if method in item:
                    told = item[method]
                    body = self._resolved(told.get("requestBody", {})).get("content", {})
                    own = tuple(map(self._resolved, told.get("parameters", ())))
                    statuses = frozenset(map(str, told.get("responses", {"default": {}})))
                    schemas = {kind: each.get("schema", {}) for kind, each in body.items()}
                    yield Operation(method, path, shared + own, schemas, statuses)

    def request(self, operation: Operation, chance: random.Random) -> httpx2.Request:
        """One request, as odd as chance has it."""
        path, query, headers = operation.path, {}, dict(self.headers)
        for parameter in operation.parameters:
            schema, name = parameter.get("schema", {}), parameter["name"]
            value = str(self.value(schema, chance))
            if name in self.values and chance.random() < 0.5:
                value = self.values[name]
            if chance.random() < 0.3:
                value = chance.choice(_STRANGE_PATHS)
            if parameter["in"] == "path":
                path = path.replace(f"{{{name}}}", quote(value, safe="%") or "-")
            elif parameter["in"] == "query" and chance.random() < 0.8:
                query[name] = value
            elif parameter["in"] == "header" and value.isascii() and value.isprintable():
                headers[name] = value
        kind, content = self._body(operation, chance)
        if kind:
            headers["Content-Type"] = kind
        if chance.random() < 0.2:
            odd = chance.choice(_STRANGE_HEADERS)
            headers |= {name: value.encode("utf-8") for name, value in odd.items()}  # type: ignore[misc]
        url = httpx2.URL(f"http://testserver{path}", params=query)
        return httpx2.Request(operation.method.upper(), url, headers=headers, content=content)

    def _body(self, operation: Operation, chance: random.Random) -> tuple[str, bytes]:
        liked = self.examples.get(str(operation))
        if not operation.bodies and not liked:
            return "", mutated(b"{}", chance) if chance.random() < 0.2 else b""
        kind = chance.choice(sorted(operation.bodies) or ["application/json"])
        if liked and chance.random() < 0.7:
            example = chance.choice(liked)
        else:
            example = self.value(operation.bodies.get(kind, {}), chance)
        content = example if isinstance(example, bytes) else json.dumps(example).encode()
        if chance.random() < 0.85:
            content = inputs(content, chance, is_json="json" in kind)
        return kind, content

    def value(  # noqa: PLR0911  one a kind of schema
        self, schema: Mapping[str, Any], chance: random.Random, depth: int = 0
    ) -> Any:
        """Something that fits a schema, more or less."""
        schema = self._resolved(schema)
        if "example" in schema and chance.random() < 0.5:
            return copy.deepcopy(schema["example"])
        for choice in ("enum", "anyOf", "oneOf"):
            if schema.get(choice):
                picked = chance.choice(schema[choice])
                return picked if choice == "enum" else self.value(picked, chance, depth + 1)
        if "const" in schema:
            return schema["const"]
        if "allOf" in schema:
            parts = [self.value(each, chance, depth + 1) for each in schema["allOf"]]
            return {
                key: value
                for part in parts
                if isinstance(part, dict)
                for key, value in part.items()
            }
        kinds = schema.get("type", "object")
        kind = chance.choice(kinds) if isinstance(kinds, list) else kinds
        if kind == "object":
            return self._table(schema, chance, depth)
        if kind == "array":
            count = chance.choice((0, 1, 2, 5)) if depth < 6 else 0
            inside = schema.get("items", {})
            return [self.value(inside, chance, depth + 1) for _ in range(count)]
        return _plain(kind, schema, chance)

    def _table(
        self, schema: Mapping[str, Any], chance: random.Random, depth: int
    ) -> dict[str, Any]:
        required = schema.get("required", ())
        return {
            name: self.value(inside, chance, depth + 1)
            for name, inside in schema.get("properties", {}).items()
            if depth < 6 and (name in required or chance.random() < 0.6)
        }

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in schema:
            found: Any = self.description
            for part in schema["$ref"].removeprefix("#/").split("/"):
                found = found[part.replace("~1", "/").replace("~0", "~")]
            schema = found
        return schema


def check(operation: Operation, response: httpx2.Response) -> None:
    """What has to hold of every answer, whatever was asked."""
    status = response.status_code
    assert status != 500, f"{operation}: {response.text[:300]}"
    if "default" not in operation.statuses and status not in _ALWAYS:
        told = {str(status), f"{status // 100}XX"} & operation.statuses
        assert told, f"{operation}: answers {status}, which its description does not announce"
    if status >= 400 and operation.method != "head":
        kind = response.headers.get("content-type", "")
        assert "json" in kind, f"{operation}: an error as {kind!r}"
        assert isinstance(response.json(), dict)
        assert len(response.content) < 20_000, f"{operation}: an error of {len(response.content)}"
        assert "Traceback" not in response.text


def _plain(kind: str, schema: Mapping[str, Any], chance: random.Random) -> Any:
    if kind == "boolean":
        return chance.random() < 0.5
    if kind == "null":
        return None
    if kind in ("integer", "number"):
        low, high = schema.get("minimum", -3), schema.get("maximum", 300)
        value = chance.choice((low, high, chance.uniform(low, high)))
        return int(value) if kind == "integer" else value
    return chance.choice(
        ("", "a", "car; road", "\u00e9\U0001f697", "a" * schema.get("maxLength", 40))
    )
