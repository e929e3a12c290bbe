"""What Label Studio may ask, one method a route."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import anyio.to_thread
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from labelstudio_backend.security import Guard
from labelstudio_backend.settings import Settings
from labelstudio_backend.validation import understood
from labelstudio_backend.webhooks import Events, read_event
from labelstudio_backend.wire import Prediction, PredictRequest, SetupRequest
from ovseg_annotate.errors import ModelError
from ovseg_annotate.formats.fields import Field, plain_json
from ovseg_annotate.web.background import ModelStatus, StillLoading
from ovseg_annotate.web.bodies import BodyLimit, read_json
from ovseg_annotate.web.metrics import CONTENT_TYPE, Metrics
from ovseg_annotate.web.work import Stopped, WorkQueue

_VERSIONS = 32  # announced ones that are remembered
_SETUP_SECONDS = 2.5  # Label Studio waits for 3
_SETUP_THREADS = 4  # apart from those that read requests: they may have to wait

_log = logging.getLogger(__name__)


class Suggesting(Protocol):
    """Who answers; `suggester.Suggester` does."""

    def model_version(
        self, label_config: str, extra_params: Mapping[str, object], project: str = ""
    ) -> str:
        """Names weights, words, thresholds and options; loads no weights."""

    def predict(self, request: PredictRequest, stopped: Stopped) -> tuple[Prediction, ...]:
        """One prediction a task, in order."""


class ModelState(Protocol):
    """How far the weights are; `models.BackgroundSession` knows."""

    @property
    def model(self) -> str:
        """ENGINE@WEIGHTS."""

    @property
    def status(self) -> ModelStatus: ...


@dataclass(frozen=True, slots=True)
class _Asked:
    """A predict request, and a key that is equal for a request that is sent again."""

    request: PredictRequest
    key: str | None

    @classmethod
    def read(cls, body: Field) -> _Asked:
        request = PredictRequest.parse(body.value, body.where)
        if request.context is not None:
            return cls(request, None)  # every answer to a person has regions of its own
        # Not the whole body: a task that is sent again carries other predictions and dates.
        parts = [
            request.label_config,
            request.project,
            [[task.id, dict(task.data)] for task in request.tasks],
            dict(request.extra_params),
        ]
        return cls(request, hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest())


class Routes:
    """Handlers; nothing but `predict` waits for the device."""

    def __init__(
        self,
        settings: Settings,
        suggester: Suggesting,
        sessions: ModelState,
        events: Events,
        work: WorkQueue[bytes],
        metrics: Metrics,
    ) -> None:
        self._limit = BodyLimit(
            settings.request_bytes, "send fewer tasks at a time, or raise OVSEG_REQUEST_BYTES"
        )
        self._guard = Guard(settings)
        self._suggester = suggester
        self._sessions = sessions
        self._events = events
        self._work = work
        self._metrics = metrics
        self._setups = anyio.CapacityLimiter(_SETUP_THREADS)
        self._announced: OrderedDict[str, None] = OrderedDict()

    async def health(self, request: Request) -> Response:
        """Alive, always; why the model failed is told to those who may know."""
        status = self._sessions.status
        may_know = self._guard.knows(request.headers)
        return JSONResponse(
            {
                "status": "UP",
                "model_class": "OvsegBackend",
                "model_name": self._sessions.model,
                "model": str(status) if may_know else status.stage,
            }
        )

    async def setup(self, request: Request) -> Response:
        """The version of predictions to come; tells at once when there will be none."""
        status = self._sessions.status
        if status.stage == "failed":
            raise ModelError(f"the model {self._sessions.model} {status}")

        asked = await read_json(request, self._limit, _setup_of)
        version = await self._version(asked)
        self._announced[version] = None
        self._announced.move_to_end(version)
        while len(self._announced) > _VERSIONS:
            self._announced.popitem(last=False)
        return JSONResponse({"model_version": version})

    async def _version(self, asked: SetupRequest) -> str:
        """What `model_version` gives; it may have to wait for weights that are not here yet."""

        def version() -> str:
            return self._suggester.model_version(
                asked.label_config, asked.extra_params, asked.project
            )

        try:
            async with asyncio.timeout(_SETUP_SECONDS):
                return await anyio.to_thread.run_sync(
                    version, abandon_on_cancel=True, limiter=self._setups
                )
        except TimeoutError as error:
            raise StillLoading(
                f"the model {self._sessions.model} is not here yet; ask again in a moment"
            ) from error

    async def predict(self, request: Request) -> Response:
        asked = await read_json(request, self._limit, _Asked.read)

        def answered(stopped: Stopped) -> bytes:
            return _encoded(asked.request, self._suggester.predict(asked.request, stopped))

        future = self._work.submit(
            answered, key=asked.key, urgent=asked.request.context is not None
        )
        # Shielded: others may wait for the same answer, and it is kept for whoever asks again.
        answer = await asyncio.shield(asyncio.wrap_future(future))
        return Response(answer, media_type="application/json")

    async def webhook(self, request: Request) -> Response:
        event = await read_json(request, self._limit, read_event)
        if event is None:
            return JSONResponse({"status": "ignored"})
        receipt = await run_in_threadpool(self._events.take, event)
        _log.info("%s of project %d: %s", event.action, event.project, receipt.note)
        answer = {"status": "ok", "detail": receipt.note}
        if receipt.began:
            answer["job"] = event.job
        return JSONResponse(answer, status_code=202 if receipt.began else 200)

    async def versions(self, _: Request) -> Response:
        """What /setup announced lately; before that, the name of the model."""
        return JSONResponse({"versions": list(self._announced) or [self._sessions.model]})

    async def validate(self, request: Request) -> Response:
        return JSONResponse(await read_json(request, self._limit, understood))

    async def metrics(self, _: Request) -> Response:
        return PlainTextResponse(self._metrics.text(), media_type=CONTENT_TYPE)


def _setup_of(body: Field) -> SetupRequest:
    return SetupRequest.parse(body.value, body.where)


def _encoded(request: PredictRequest, predictions: tuple[Prediction, ...]) -> bytes:
    """The answer of /predict; encoded task by task, so that other threads get their turn."""
    items = []
    for task, prediction in zip(request.tasks, predictions, strict=True):
        if prediction.failure is not None:
            _log.warning("task %s has no suggestion: %s", task.id, prediction.failure)
        items.append(plain_json(prediction.to_json()))
    versions = {prediction.model_version for prediction in predictions}
    version = plain_json(versions.pop() if len(versions) == 1 else "")
    return f'{{"results":[{",".join(items)}],"model_version":{version}}}'.encode()
