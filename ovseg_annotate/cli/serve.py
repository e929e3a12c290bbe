"""`ovseg serve`: a session behind a door of its own, for machines without a GPU."""

from __future__ import annotations

import importlib.util

from ovseg_annotate.cli.sessions import SessionOptions, opened_session
from ovseg_annotate.errors import OptionError
from ovseg_annotate.lessons.model_names import split_model
from ovseg_annotate.server.settings import ServeOptions

_NEEDED = ("starlette", "uvicorn")


def serve(server: ServeOptions, session: SessionOptions) -> None:
    """Serve a model to other machines: ovseg annotate --server, and napari's preferences."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise OptionError(
            f'{", ".join(missing)} is not installed; run: pip install "ovseg-annotate[server]"'
        )
    model, version = split_model(session.model)
    if version is not None:
        raise OptionError(
            f"a server runs a model as it came: start it with --model {model}, and name the "
            f"version where it is used: ovseg annotate --server ... --model {session.model}"
        )
    from ovseg_annotate.server.serving import serve as run  # noqa: PLC0415  imports torch
    from ovseg_annotate.web.background import (  # noqa: PLC0415  imports torch
        BackgroundSession,
        staying,
    )

    sessions = BackgroundSession(
        session.model,
        staying(lambda told: opened_session(session, told)),
        server.loading_seconds,
    )
    run(server, sessions, session.engine_options)
