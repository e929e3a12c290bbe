"""Downloads in words: what, how big, from where, where to, and how far."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ovseg_annotate.cli.talk import Talk, duration
from ovseg_annotate.errors import Cancelled

if TYPE_CHECKING:
    from ovseg_annotate.backbones.weights import DownloadProgress

_SAY_EVERY = 5.0  # seconds
_MEGABYTE = 1e6


class DownloadTalk:
    """Call it with every `DownloadProgress` of a download; stops one when it is asked to."""

    def __init__(self, talk: Talk, stop: Callable[[], bool] = lambda: False) -> None:
        self._talk = talk
        self._stop = stop
        self._started = self._said = 0.0

    def __call__(self, progress: DownloadProgress) -> None:
        if self._stop():
            raise Cancelled(f"stopped while downloading {progress.name}; what is there is kept")
        now = time.monotonic()
        if progress.done == 0:
            self._talk.say(f"downloading {progress}")
            self._started = self._said = now
        elif now - self._said >= _SAY_EVERY or progress.done == progress.total:
            self._said = now
            self._talk.say(self._line(progress, now - self._started))

    def _line(self, progress: DownloadProgress, spent: float) -> str:
        rate = progress.done / max(spent, 1e-3)
        line = f"{progress.done / _MEGABYTE:.0f} MB, {rate / _MEGABYTE:.1f} MB/s"
        if progress.total is None:
            return line
        left = duration((progress.total - progress.done) / rate)
        return f"{line}, {progress.done / progress.total:.0%}, {left} left"
