"""What a client may ask, one method a route."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Protocol

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from ovseg_annotate._version import __version__
from ovseg_annotate.errors import Cancelled, FormatError
from ovseg_annotate.formats.fields import Field
from ovseg_annotate.server.answering import Answer, Answerer, Wanted
from ovseg_annotate.server.errors import NotHereError, NotServingError
from ovseg_annotate.server.guard import BearerGuard
from ovseg_annotate.server.jobs import Job, Jobs
from ovseg_annotate.server.references import References
from ovseg_annotate.server.settings import ServeOptions
from ovseg_annotate.server.uploads import Uploads
from ovseg_annotate.watch import Watch
from ovseg_annotate.web.background import BackgroundSession, StillLoading
from ovseg_annotate.web.bodies import BodyLimit, pieces, read_json, received
from ovseg_annotate.web.metrics import CONTENT_TYPE, Metrics
from ovseg_annotate.web.problems import problem
from ovseg_annotate.web.work import Stopped, WorkQueue
from ovseg_annotate.wire.limits import Limits
from ovseg_annotate.wire.packets import MEDIA_TYPE
from ovseg_annotate.wire.questions import Question
from ovseg_annotate.wire.subjects import digest_in

WARNINGS = "X-Ovseg-Warnings"

_SMALL_BYTES = 2**25  # of examples or a lesson
_UPLOAD_SECONDS = 600.0
_ALIVE_SECONDS = 15.0  # between two signs of life of a stream of events

Handler = Callable[[Request], Coroutine[None, None, Response]]


class QuestionKind(Protocol):
    """One of the classes of `wire.questions`."""

    def read(self, source: Field, limits: Limits) -> Question: ...


@dataclass(frozen=True, slots=True)
class House:
    """Everything that answers are made with."""

    options: ServeOptions
    guard: BearerGuard
    sessions: BackgroundSession
    answerer: Answerer
    uploads: Uploads
    references: References
    work: WorkQueue[Answer]
    metrics: Metrics
    engine_options: tuple[str, ...]  # that the session was opened with
    job_seconds: float = 5.0  # for the request of a job that somebody asks about to arrive


class Routes:
    """Handlers; nothing but questions waits for the device."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._jobs = Jobs(house.options.client_requests)
        self._question_limit = BodyLimit(
            house.options.question_bytes, "ask for less at a time, or raise --question-bytes"
        )
        self._upload_limit = BodyLimit(
            house.options.image_bytes,
            "send a smaller picture, or raise --image-bytes",
            _UPLOAD_SECONDS,
        )

    async def health(self, _: Request) -> Response:
        """Alive, always."""
        return JSONResponse({"status": "UP", "model": self._house.sessions.status.stage})

    async def model(self, _: Request) -> Response:
        """What is served: all that a client has to know of an engine."""
        sessions = self._house.sessions
        if sessions.opened is None:
            status = sessions.status
            if status.stage == "failed":
                raise NotServingError(f"the model {sessions.model} {status}")
            raise StillLoading(f"the model {sessions.model} is still loading; ask again")
        session = sessions.opened
        return JSONResponse(
            {
                "model": session.base_model,
                "precision": session.precision,
                "engine_options": list(self._house.engine_options),
                "version": __version__,
                "card": asdict(session.card),
            }
        )

    async def metrics(self, _: Request) -> Response:
        return PlainTextResponse(self._house.metrics.text(), media_type=CONTENT_TYPE)

    async def has_image(self, request: Request) -> Response:
        return _there(self._house.uploads.has(_digest_of(request)))

    async def put_image(self, request: Request) -> Response:
        digest, client = _digest_of(request), self._house.guard.client_of(request)
        with self._jobs.place(client), self._house.uploads.receiving(digest, client) as file:
            found = hashlib.sha256()
            async for piece in pieces(request, self._upload_limit):
                found.update(piece)
                file.write(piece)
            _check_digest(found.hexdigest(), digest)
            size = file.tell()
        return JSONResponse({"image": digest, "bytes": size}, status_code=201)

    async def name_image(self, request: Request) -> Response:
        """Take in a picture that is named instead of sent."""
        client = self._house.guard.client_of(request)
        with self._jobs.place(client):
            reference = await read_json(request, self._question_limit, _reference_in)

            def taken() -> dict[str, object]:
                data = self._house.references.read(reference)
                digest = hashlib.sha256(data).hexdigest()
                with self._house.uploads.receiving(digest, client) as file:
                    file.write(data)
                return {"image": digest, "bytes": len(data)}

            return JSONResponse(await run_in_threadpool(taken), status_code=201)

    def has_small(self, has: Callable[[str], bool]) -> Handler:
        """A handler that says whether examples or a lesson are here."""

        async def handler(request: Request) -> Response:
            return _there(has(_digest_of(request)))

        return handler

    def put_small(self, keep: Callable[[bytes], None]) -> Handler:
        """A handler that takes examples or a lesson in."""
        limit = BodyLimit(_SMALL_BYTES, "this is more than examples or a lesson ever have")

        async def handler(request: Request) -> Response:
            digest = _digest_of(request)
            with self._jobs.place(self._house.guard.client_of(request)):
                data = await received(request, limit)
                _check_digest(hashlib.sha256(data).hexdigest(), digest)
                await run_in_threadpool(keep, data)
            return JSONResponse({"bytes": len(data)}, status_code=201)

        return handler

    def asks(self, kind: QuestionKind) -> Handler:
        """A handler that answers questions of one kind."""
        return partial(self._answered, kind)

    async def events(self, request: Request) -> Response:
        """How far a request is, as server-sent events; the last one says that it has ended."""
        job = await self._job_of(request, self._house.job_seconds)
        return StreamingResponse(_events(job), media_type="text/event-stream")

    async def cancel(self, request: Request) -> Response:
        (await self._job_of(request, 0)).stop()
        return Response(status_code=204)

    async def _job_of(self, request: Request, seconds: float) -> Job:
        client, name = self._house.guard.client_of(request), request.path_params["name"]
        job = await self._jobs.wait_for(client, name, seconds)
        if job is None:
            raise NotHereError(request.url.path.removesuffix("/events"))
        return job

    async def _answered(self, kind: QuestionKind, request: Request) -> Response:
        client, name = self._house.guard.client_of(request), request.state.request_id
        limits, wanted = self._house.options.limits, _wanted(request)
        with self._jobs.place(client):
            question = await read_json(
                request, self._question_limit, lambda body: kind.read(body, limits)
            )
            job = await self._jobs.begin(client, name)
            try:
                answer = await self._result(request, question, wanted, job)
            except Cancelled as error:
                if not job.is_stopped:
                    raise
                return problem(409, str(error), name, more={"kind": "Cancelled"})
            finally:
                self._jobs.end(client, name)
        return _response(answer)

    async def _result(
        self, request: Request, question: Question, wanted: Wanted, job: Job
    ) -> Answer:
        """The answer, or ClientDisconnect when nobody waits for it any more."""

        def work(stopped: Stopped) -> Answer:
            watch = Watch(job.tell, lambda: job.is_stopped or stopped())
            return self._house.answerer.answer(question, wanted, watch)

        future: Future[Answer] = self._house.work.submit(work, urgent=not question.model.patient)
        job.when_stopped(partial(self._house.work.withdraw, future))
        made = asyncio.wrap_future(future)
        made.add_done_callback(_looked_at)
        left = asyncio.create_task(_left(request))
        try:
            either: set[asyncio.Future[Any]] = {made, left}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not made.done():
                raise ClientDisconnect
            return made.result()
        finally:
            left.cancel()
            if not made.done():
                job.stop()


def _digest_of(request: Request) -> str:
    return digest_in(Field(request.path_params["digest"], "the path"))


def _check_digest(found: str, announced: str) -> None:
    if found != announced:
        raise FormatError(
            f"the body has the sha256 {found}, the path says {announced}; it may have been cut "
            "off: send it again"
        )


def _there(found: bool) -> Response:  # noqa: FBT001  the one thing it is about
    return Response(status_code=200 if found else 404)


def _reference_in(body: Field) -> str:
    return body.get("reference").text()


def _wanted(request: Request) -> Wanted:
    accepted = request.headers.get("accept", "*/*").casefold()
    coded = request.headers.get("accept-encoding", "").casefold().replace(" ", "").split(",")
    return Wanted(
        json="application/json" in accepted and MEDIA_TYPE not in accepted, gzip="gzip" in coded
    )


def _response(answer: Answer) -> Response:
    headers = {"Vary": "Accept, Accept-Encoding"}
    if answer.coding is not None:
        headers["Content-Encoding"] = answer.coding
    if answer.warnings:
        headers[WARNINGS] = json.dumps(answer.warnings)  # in ASCII
    return Response(answer.content, media_type=answer.media_type, headers=headers)


async def _left(request: Request) -> None:
    """Returns when the client is gone; its request has been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _looked_at(made: asyncio.Future[Answer]) -> None:
    """An answer that nobody waits for may fail in peace."""
    if not made.cancelled():
        made.exception()


async def _events(job: Job) -> AsyncIterator[str]:
    async for step in job.steps(_ALIVE_SECONDS):
        if step is None:
            yield ": alive\n\n"
        else:
            yield f"event: progress\ndata: {json.dumps(asdict(step))}\n\n"
    yield "event: end\ndata: {}\n\n"
