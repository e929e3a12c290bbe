"""A language model behind an address of this machine that answers as a test wants it to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from loopback import listening
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

# The body of a request to the status and the text of the answer.
Script = Callable[[dict[str, Any]], tuple[int, str]]


@dataclass
class ScriptedModel:
    script: Script
    address: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)

    @property
    def forms(self) -> list[str | None]:
        return [body.get("response_format", {}).get("type") for body in self.bodies]

    @property
    def asked(self) -> list[list[str]]:
        return [names_in(body) for body in self.bodies]


@contextmanager
def answering(script: Script, released: threading.Event | None = None) -> Iterator[ScriptedModel]:
    """Serve a script; with `released`, answers wait until it is set."""
    model = ScriptedModel(script)

    def answer(request: Request, body: dict[str, Any]) -> Response:
        model.bodies.append(body)
        model.keys.append(request.headers.get("authorization"))
        if released is not None:
            released.wait(20)
        status, text = model.script(body)
        if status != 200:
            return JSONResponse({"error": "secret-key is in my log"}, status)
        return JSONResponse({"choices": [{"message": {"content": text}}]})

    async def endpoint(request: Request) -> Response:
        from starlette.concurrency import run_in_threadpool  # noqa: PLC0415

        return await run_in_threadpool(answer, request, await request.json())

    app = Starlette(routes=[Route("/v1/chat/completions", endpoint, methods=["POST"])])
    with listening(app) as address:
        model.address = f"{address}/v1"
        yield model


def names_in(body: dict[str, Any]) -> list[str]:
    text: str = body["messages"][1]["content"]
    names: list[str] = json.loads(text[text.index("Classes: ") + len("Classes: ") :])
    return names


def entries(names: Sequence[str]) -> str:
    """The right answer."""
    said = [
        {
            "name": name,
            "colour": [f"{len(name)} greens"],
            "shape_size": ["round"],
            "texture_material": ["soft felt"],
        }
        for name in names
    ]
    return json.dumps({"classes": said})


def right(body: dict[str, Any]) -> tuple[int, str]:
    return 200, entries(names_in(body))
