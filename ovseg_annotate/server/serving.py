"""From options to a server that runs until it is told to stop."""

from __future__ import annotations

import logging
from contextlib import ExitStack

from ovseg_annotate.feature_store import StoreCounts
from ovseg_annotate.server.answering import Answer, Answerer
from ovseg_annotate.server.app import create_app
from ovseg_annotate.server.guard import BearerGuard
from ovseg_annotate.server.references import References
from ovseg_annotate.server.routes import House
from ovseg_annotate.server.settings import ServeOptions, read_tokens
from ovseg_annotate.server.uploads import Uploads
from ovseg_annotate.web.background import BackgroundSession
from ovseg_annotate.web.logs import configure_logging
from ovseg_annotate.web.metrics import Gauge, Metrics, counted
from ovseg_annotate.web.running import Server, listening
from ovseg_annotate.web.work import WorkQueue

_log = logging.getLogger(__name__)


def serve(
    options: ServeOptions, sessions: BackgroundSession, engine_options: tuple[str, ...] = ()
) -> None:
    """Answer until SIGTERM or Ctrl-C; then finish or refuse within the grace of the options."""
    tokens = () if options.token_file is None else read_tokens(options.token_file)
    configure_logging(tokens)
    with ExitStack() as open_things:
        house = house_of(options, sessions, engine_options, tokens)
        open_things.callback(house.references.close)
        bound = listening(options.host, options.port)
        sessions.start()
        open_things.callback(sessions.close)
        app = create_app(house)
        Server(app, house.work, options.grace_seconds).run(sockets=[bound])


def house_of(
    options: ServeOptions,
    sessions: BackgroundSession,
    engine_options: tuple[str, ...] = (),
    tokens: tuple[str, ...] = (),
) -> House:
    """All parts, as the options say."""
    guard = BearerGuard(tokens, options.host)
    uploads = Uploads(options.images_folder(), options.kept_bytes, options.client_bytes)
    answerer = Answerer(sessions, uploads, options.limits)
    work = WorkQueue[Answer](options.workers, options.queue)

    def features() -> StoreCounts:
        return StoreCounts() if sessions.opened is None else sessions.opened.store.counts

    gauges = (
        *work.gauges,
        *counted("feature", features),
        *counted("picture", lambda: answerer.pictures.counts),
        Gauge("ovseg_upload_bytes", "gauge", "Uploads on disk.", lambda: uploads.used),
        Gauge("ovseg_device_bytes", "gauge", "Memory in use on the device.", sessions.device_bytes),
    )
    return House(
        options=options,
        guard=guard,
        sessions=sessions,
        answerer=answerer,
        uploads=uploads,
        references=References(options.folder, options.image_hosts, options.image_bytes),
        work=work,
        metrics=Metrics(gauges),
        engine_options=engine_options,
    )
