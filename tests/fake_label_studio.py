"""The part of Label Studio's REST API that a push uses, on loopback, with faults on demand."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

PROJECT = 3
UID = "3.1769860800"  # as it names the project to backends: with the second of its making
CONFIG = (
    '<View><Image name="image" value="$image"/><PolygonLabels name="poly" toName="image">'
    '<Label value="red"/></PolygonLabels></View>'
)


class Fault(Enum):
    BUSY = auto()  # 429, nothing was done
    BROKEN = auto()  # 500, nothing was done
    LOST_ANSWER = auto()  # done, then 502
    DROPPED = auto()  # done, then the connection breaks in the middle of the answer
    REFUSED = auto()  # 400


class CutShort(Response):
    """Announces more than it sends."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 201, "headers": headers})
        await send({"type": "http.response.body", "body": b"{", "more_body": False})


# From method, path and the number of requests before to what goes wrong.
Faults = Callable[[str, str, int], Fault | None]


@dataclass
class FakeLabelStudio:
    task_count: int
    faults: Faults = lambda method, path, number: None
    stored: dict[int, list[str]] = field(default_factory=dict)  # model versions by task
    labelled: frozenset[int] = frozenset()  # tasks that a person has annotated
    annotations: dict[int, list[dict[str, Any]]] = field(default_factory=dict)  # by task
    config: str = CONFIG
    sampling: str = "Sequential sampling"
    shown_version: str = ""
    requests: list[str] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)  # Authorization headers that came
    backends: list[dict[str, Any]] = field(default_factory=list)
    webhooks: list[dict[str, Any]] = field(default_factory=list)
    deleted: bool = False  # the project
    backend_problem: str = ""  # why Label Studio cannot reach the backend
    _milestone: tuple[int, threading.Event] | None = None
    _seconds: int = 0

    @property
    def stored_count(self) -> int:
        return sum(map(len, self.stored.values()))

    @property
    def doubled(self) -> list[int]:
        return [task for task, versions in self.stored.items() if len(versions) > 1]

    def annotate(self, task: int, result: list[dict[str, Any]]) -> None:
        """A person submits an annotation, or changes the one there is."""
        self._seconds += 1
        annotation = {
            "id": task,
            "result": result,
            "was_cancelled": False,
            "updated_at": f"2026-02-01T{self._seconds // 3600:02}:{self._seconds // 60 % 60:02}:"
            f"{self._seconds % 60:02}.000000Z",
        }
        self.annotations[task] = [annotation]

    def take_back(self, task: int) -> None:
        """A person deletes an annotation."""
        self.annotations.pop(task, None)

    def when_stored(self, count: int) -> threading.Event:
        """Set as soon as so many predictions are stored."""
        event = threading.Event()
        self._milestone = (count, event)
        return event

    @property
    def app(self) -> Starlette:
        routes = {
            "/api/version": self._version,
            "/api/projects/{project:int}/": self._project,
            "/api/tasks": self._tasks,
            "/api/tasks/{task:int}/": self._task,
            "/api/predictions/": self._predictions,
            "/api/ml/": self._backends,
            "/api/ml/{number:int}": self._backend,
            "/api/webhooks/": self._webhooks,
            "/api/webhooks/{number:int}/": self._webhook,
        }
        return Starlette(
            routes=[
                Route(path, self._with_faults(answer), methods=["GET", "POST", "PATCH"])
                for path, answer in routes.items()
            ]
        )

    def _with_faults(self, answer: Any) -> Any:
        async def answered(request: Request) -> Response:
            self.keys.add(request.headers.get("Authorization", ""))
            fault = self.faults(request.method, request.url.path, len(self.requests))
            self.requests.append(f"{request.method} {request.url.path}")
            if fault is Fault.BUSY:
                return JSONResponse({}, 429, headers={"Retry-After": "0"})
            if fault is Fault.BROKEN:
                return JSONResponse({}, 500)
            if fault is Fault.REFUSED:
                return JSONResponse({"detail": "not like this"}, 400)
            response: Response = await answer(request)
            if fault is Fault.LOST_ANSWER:
                return JSONResponse({}, 502)
            return CutShort() if fault is Fault.DROPPED else response

        return answered

    async def _version(self, request: Request) -> Response:
        return JSONResponse({"release": "1.23.2"})

    async def _project(self, request: Request) -> Response:
        if self.deleted or request.path_params["project"] != PROJECT:
            return JSONResponse({"detail": "No Project matches the given query."}, 404)
        if request.method == "PATCH":
            body = await request.json()
            self.shown_version = body.get("model_version", self.shown_version)
            self.sampling = body.get("sampling", self.sampling)
        return JSONResponse(
            {
                "id": PROJECT,
                "title": "fake",
                "created_at": "2026-01-31T12:00:00.250000Z",
                "label_config": self.config,
                "model_version": self.shown_version or None,
                "task_number": self.task_count,
            }
        )

    async def _tasks(self, request: Request) -> Response:
        query = json.loads(request.query_params["query"])
        wanted = {each["filter"]: each["value"] for each in query["filters"]["items"]}
        without = set(wanted.get("filter:tasks:predictions_model_versions", ()))
        least = wanted.get("filter:tasks:total_annotations", -1) + 1
        left = [
            task
            for task in range(wanted["filter:tasks:id"] + 1, self.task_count + 1)
            if not without & set(self.stored.get(task, ())) and self._count(task) >= least
        ]
        page = left[: int(request.query_params["page_size"])]
        tasks = [
            {
                "id": task,
                "data": {"image": f"/data/upload/3/{task}.png"},
                "total_annotations": self._count(task),
                "updated_at": self._changed(task),
            }
            for task in page
        ]
        return JSONResponse({"total": len(left), "tasks": tasks})

    async def _task(self, request: Request) -> Response:
        task = request.path_params["task"]
        found = self.annotations.get(task, [])
        if task in self.labelled:
            found = [{"result": [], "updated_at": self._changed(task)}]
        return JSONResponse({"id": task, "annotations": found})

    def _count(self, task: int) -> int:
        return 1 if task in self.labelled else len(self.annotations.get(task, ()))

    def _changed(self, task: int) -> str:
        there = self.annotations.get(task, ())
        return max((each["updated_at"] for each in there), default="2026-01-31T12:00:00Z")

    async def _predictions(self, request: Request) -> Response:
        if request.method == "GET":
            task = int(request.query_params["task"])
            versions = self.stored.get(task, [])
            return JSONResponse([{"task": task, "model_version": each} for each in versions])
        body = await request.json()
        self.stored.setdefault(body["task"], []).append(body["model_version"])
        if self._milestone is not None and self.stored_count >= self._milestone[0]:
            self._milestone[1].set()
        return JSONResponse({"id": self.stored_count}, 201)

    async def _backends(self, request: Request) -> Response:
        if request.method == "GET":
            return JSONResponse([self._asked(each) for each in self.backends])
        body = await request.json()
        if self.backend_problem:
            errors = {"non_field_errors": [self.backend_problem]}
            return JSONResponse({"detail": "Validation error", "validation_errors": errors}, 400)
        backend = {**body, "id": len(self.backends) + 1, "error_message": None}
        self.backends.append(backend)
        hook = {"id": 1, "url": f"{body['url']}/webhook", "headers": {"X-Mine": "stays"}}
        if not self.webhooks:
            self.webhooks.append(hook)
        return JSONResponse(self._asked(backend), 201)

    async def _backend(self, request: Request) -> Response:
        backend = self.backends[request.path_params["number"] - 1]
        backend.update(await request.json())
        return JSONResponse(self._asked(backend))

    def _asked(self, backend: dict[str, Any]) -> dict[str, Any]:
        """As it is after Label Studio called the backend's /setup."""
        shown = {name: value for name, value in backend.items() if name != "basic_auth_pass"}
        return {**shown, "state": "CO", "model_version": "ovseg-1"}

    async def _webhooks(self, request: Request) -> Response:
        if request.method == "GET":
            return JSONResponse(self.webhooks)
        self.webhooks.append({**await request.json(), "id": len(self.webhooks) + 1})
        return JSONResponse(self.webhooks[-1], 201)

    async def _webhook(self, request: Request) -> Response:
        self.webhooks[request.path_params["number"] - 1].update(await request.json())
        return JSONResponse({})
