"""Label Studio and a suggester, opened for one command."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from labelstudio_backend.label_studio import LabelStudio
from labelstudio_backend.rest import RestClient
from labelstudio_backend.settings import Settings
from labelstudio_backend.tokens import Tokens
from ovseg_annotate.errors import Cancelled

if TYPE_CHECKING:
    from ovseg_annotate.session import Session

_LOOK_EVERY = 0.1  # s, whether a person wants to stop


class LazySession:
    """A session that is opened when the first task needs it, as `suggester` takes one."""

    def __init__(self, model: str, opening: Callable[[], Session]) -> None:
        self.model = model
        self._opening = opening
        self._opened: Session | None = None
        self._lock = threading.Lock()

    def session(self) -> Session:
        with self._lock:
            if self._opened is None:
                self._opened = self._opening()
            return self._opened

    def close(self) -> None:
        with self._lock:
            if self._opened is not None:
                self._opened.close()


@contextmanager
def opened_studio(
    settings: Settings, stopped: Callable[[], bool] = lambda: False
) -> Iterator[LabelStudio]:
    """The server that the settings name; waiting for it ends when `stopped`."""
    tokens = Tokens(settings.label_studio_url, settings.api_key)
    client = RestClient(
        settings.label_studio_url, tokens, pause=lambda seconds: _pause(seconds, stopped)
    )
    try:
        yield LabelStudio(client)
    finally:
        client.close()
        tokens.close()


def _pause(seconds: float, stopped: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if stopped():
            raise Cancelled("stopped while waiting for Label Studio")
        time.sleep(min(left, _LOOK_EVERY))
