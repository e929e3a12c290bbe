"""From settings to a server that runs until it is told to stop."""

from __future__ import annotations

import logging
import threading
from contextlib import ExitStack

from labelstudio_backend.answers import Answers
from labelstudio_backend.app import create_app
from labelstudio_backend.head_tuning import Tuning
from labelstudio_backend.images import LabelStudioImages
from labelstudio_backend.learner import Learner
from labelstudio_backend.learning import Workshop
from labelstudio_backend.learning_door import LearningDoor
from labelstudio_backend.learning_options import LearningOptions
from labelstudio_backend.memory import memory_of
from labelstudio_backend.opening import opened_studio
from labelstudio_backend.settings import Settings
from labelstudio_backend.suggest_options import SuggestOptions
from labelstudio_backend.suggester import Suggester
from labelstudio_backend.webhooks import Events, NotLearning
from ovseg_annotate.cli.sessions import SessionOptions, opened_session
from ovseg_annotate.errors import OptionError
from ovseg_annotate.feature_store import StoreCounts
from ovseg_annotate.web.background import BackgroundSession, staying
from ovseg_annotate.web.logs import configure_logging
from ovseg_annotate.web.metrics import Gauge, counted
from ovseg_annotate.web.running import Server, listening
from ovseg_annotate.web.work import WorkQueue

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
        model.model, staying(lambda told: opened_session(model, told)), settings.loading_seconds
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
            events = door = _door(workshop, learning, model)
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
        bound = listening(settings.host, settings.port)
        Server(app, work, settings.grace_seconds).run(sockets=[bound])


def _door(workshop: Workshop, learning: LearningOptions, model: SessionOptions) -> LearningDoor:
    """The door for corrections, open."""
    settings = workshop.settings
    if settings.api_key is None or settings.data is None:
        raise OptionError(
            "--learn reads what people answered from Label Studio: set LABEL_STUDIO_API_KEY to a "
            "personal access token of somebody who may see the projects"
        )
    tuning = Tuning(model, learning.fine_tune_after) if learning.fine_tune else None
    door = LearningDoor(Learner(workshop, settings.data, learning.learn_after, tuning))
    door.start()
    return door


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

    return (
        *counted("feature", features),
        *counted("image", lambda: images.kept.counts),
        *counted("answer", lambda: answers.counts),
        Gauge("ovseg_device_bytes", "gauge", "Memory in use on the device.", sessions.device_bytes),
    )
