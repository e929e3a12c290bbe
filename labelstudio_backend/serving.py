"""From settings to a server that runs until it is told to stop."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Protocol

import uvicorn
from starlette.types import ASGIApp

from labelstudio_backend.answers import Answers
from labelstudio_backend.app import create_app
from labelstudio_backend.images import LabelStudioImages
from labelstudio_backend.learner import Learner
from labelstudio_backend.learning import Workshop
from labelstudio_backend.learning_door import LearningDoor
from labelstudio_backend.learning_options import LearningOptions
from labelstudio_backend.logs import configure_logging
from labelstudio_backend.memory import memory_of
from labelstudio_backend.metrics import Gauge
from labelstudio_backend.models import BackgroundSession
from labelstudio_backend.opening import opened_studio
from labelstudio_backend.settings import Settings
from labelstudio_backend.suggest_options import SuggestOptions
from labelstudio_backend.suggester import Suggester
from labelstudio_backend.webhooks import Events, NotLearning
from labelstudio_backend.work import WorkQueue
from ovseg_annotate.cli.sessions import SessionOptions, opened_session
from ovseg_annotate.errors import OptionError
from ovseg_annotate.feature_store import StoreCounts

_LAST_ANSWERS_SECONDS = 3  # for what was refused at the end to reach its clients

_log = logging.getLogger(__name__)


def serve(
    settings: Settings,
    model: SessionOptions,
    options: SuggestOptions,
    learning: LearningOptions | None = None,
) -> None:
    """Answer until SIGTERM or Ctrl-C; then finish or refuse within the grace of the settings."""
    configure_logging(settings.secrets)
    _warn_of_gaps(settings)
    sessions = BackgroundSession(
        model.model, lambda told: opened_session(model, told), settings.loading_seconds
    )
    images = LabelStudioImages.of(settings)
    options, memory = settings.limited(options), memory_of(settings)
    suggester = Suggester(sessions, images, options, Answers(), memory)
    work = WorkQueue[bytes](settings.workers, settings.queue)
    with ExitStack() as open_things:
        open_things.callback(images.close)
        events: Events = NotLearning()
        if learning is not None and learning.learn:
            stopping = threading.Event()
            studio = open_things.enter_context(opened_studio(settings, stopping.is_set))
            workshop = Workshop(studio, suggester, sessions, images, memory, settings, options)
            events = door = _door(workshop, learning)
            open_things.callback(door.close)
            open_things.callback(stopping.set)  # first of all: it ends waits for Label Studio
        app = create_app(
            settings,
            suggester,
            sessions,
            events,
            work=work,
            gauges=_gauges_of(sessions, images, suggester.answers),
        )
        sessions.start()
        suggester.find_weights()
        Server(app, settings, work).run(sockets=[listening(settings)])


def _door(workshop: Workshop, learning: LearningOptions) -> LearningDoor:
    """The door for corrections, open."""
    settings = workshop.settings
    if settings.api_key is None or settings.data is None:
        raise OptionError(
            "--learn reads what people answered from Label Studio: set LABEL_STUDIO_API_KEY to a "
            "personal access token of somebody who may see the projects"
        )
    door = LearningDoor(Learner(workshop, settings.data, learning.learn_after))
    door.start()
    return door


class _Counts(Protocol):
    """What every cache counts."""

    @property
    def hits(self) -> int: ...

    @property
    def misses(self) -> int: ...


class Server(uvicorn.Server):
    """Refuses new work as soon as it is told to stop, while connections are still open."""

    def __init__(self, app: ASGIApp, settings: Settings, work: WorkQueue[bytes]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                workers=1,  # several would each hold the weights
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=round(settings.grace_seconds) + _LAST_ANSWERS_SECONDS,
            )
        )
        self._work = work
        self._grace = settings.grace_seconds

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # A thread of its own that nobody joins: a second Ctrl-C ends the process at once.
        closing = threading.Thread(target=self._work.close, args=(self._grace,), daemon=True)
        closing.start()
        await super().shutdown(sockets)


def listening(settings: Settings) -> socket.socket:
    """A bound socket; raises OptionError when the address cannot be had."""
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = min(found)  # 127.0.0.1 for localhost, not ::1
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
        except OSError:
            bound.close()
            raise
    except OSError as error:
        raise OptionError(
            f"cannot listen on {settings.host} port {settings.port}: {error.strerror or error}; "
            "another server may be there: choose another port, or stop it"
        ) from error
    host, port = bound.getsockname()[:2]
    _log.info("listening on http://%s:%d", f"[{host}]" if ":" in host else host, port)
    return bound


def _warn_of_gaps(settings: Settings) -> None:
    if settings.api_key is None:
        _log.warning(
            "LABEL_STUDIO_API_KEY is not set: uploads and files of Label Studio cannot be fetched"
        )
    if settings.is_guarded and settings.webhook_token is None:
        _log.warning(
            "WEBHOOK_TOKEN is not set: Label Studio sends its webhooks without a password, and "
            "they will be refused"
        )


def _gauges_of(
    sessions: BackgroundSession, images: LabelStudioImages, answers: Answers
) -> tuple[Gauge, ...]:
    def features() -> StoreCounts:
        return StoreCounts() if sessions.opened is None else sessions.opened.store.counts

    def counted(what: str, counts: Callable[[], _Counts]) -> tuple[Gauge, Gauge]:
        name = f"ovseg_{what}"
        return (
            Gauge(f"{name}_hits_total", "counter", "Found.", lambda: counts().hits),
            Gauge(f"{name}_misses_total", "counter", "Not found.", lambda: counts().misses),
        )

    return (
        *counted("feature", features),
        *counted("image", lambda: images.kept.counts),
        *counted("answer", lambda: answers.counts),
        Gauge("ovseg_device_bytes", "gauge", "Memory in use on the device.", sessions.device_bytes),
    )
