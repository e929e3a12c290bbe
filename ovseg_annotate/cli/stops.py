"""SIGINT and SIGTERM as a wish to stop: what is being written is finished first."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import TypeAlias

from ovseg_annotate.cli.exits import Exit

# What signal.signal gives back: a function, SIG_DFL or SIG_IGN, or None for one not set in Python.
_Handler: TypeAlias = Callable[[int, FrameType | None], object] | int | None

_NOTICE = b"stopping as soon as what is in work is whole; the same signal again stops at once\n"
_STDERR = 2
_EXITS = {signal.SIGINT: Exit.INTERRUPTED, signal.SIGTERM: Exit.TERMINATED}


class StopSignals:
    """While entered, the first signal is remembered; a second one ends the process at once."""

    def __init__(self) -> None:
        self._received: signal.Signals | None = None
        self._previous: dict[signal.Signals, _Handler] = {}

    @property
    def asked(self) -> bool:
        return self._received is not None

    @property
    def exit(self) -> Exit:
        return Exit.FINE if self._received is None else _EXITS[self._received]

    def __enter__(self) -> StopSignals:
        # Only the main thread may set handlers; elsewhere the host program has its own.
        if threading.current_thread() is threading.main_thread():
            for number in _EXITS:
                self._previous[number] = signal.signal(number, self._receive)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self._received = signal.Signals(number)
        # The system's own answer to the next one: it works even inside a long computation.
        signal.signal(number, signal.SIG_DFL)
        # Not through a console: the signal may have come while that was writing.
        with contextlib.suppress(OSError):
            os.write(_STDERR, _NOTICE)
