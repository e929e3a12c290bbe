"""Suggestions for a whole review in a worker: progress, and a stop at any moment."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from napari_plugin.monitor import Monitor
from napari_plugin.review_state import Review
from napari_plugin.review_suggesting import Opener, Suggested, SuggestRequest, suggest
from ovseg_annotate.errors import OvsegError

if TYPE_CHECKING:
    from superqt.utils import GeneratorWorker


class SuggestRun:
    """One run of the worker; all that it tells it tells in the window's thread."""

    def __init__(
        self, told: Callable[[Suggested | OvsegError], None], finished: Callable[..., None]
    ) -> None:
        """`finished` is called with nothing."""
        self.monitor = Monitor()
        self._told = told
        self._finished = finished

    def start(self, review: Review, request: SuggestRequest, opener: Opener) -> None:
        """Begin, with the model to be opened in the worker too."""
        from napari.qt.threading import create_worker  # noqa: PLC0415  needs Qt

        def work() -> Generator[Suggested | OvsegError, None, None]:
            try:
                yield from suggest(review, request, opener, self.monitor)
            except OvsegError as error:  # raised, napari would show it a second time
                yield error

        worker: GeneratorWorker[Suggested | OvsegError, None, None] = create_worker(
            work, _start_thread=False
        )
        worker.yielded.connect(self._told)
        worker.finished.connect(self._finished)
        worker.start()

    def stop(self) -> None:
        """Ask it to end; it does so before the next window of a picture."""
        self.monitor.stop()
