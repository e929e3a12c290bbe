"""Suggesting and learning for a whole review in a worker: progress, and a stop at any moment."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, TypeAlias

from napari_plugin.monitor import Monitor
from napari_plugin.review_desk import ReviewDesk
from napari_plugin.review_learning import Models, News, Ranked
from napari_plugin.review_state import Review
from napari_plugin.review_suggesting import Suggested, SuggestRequest
from ovseg_annotate.errors import Cancelled, OvsegError

if TYPE_CHECKING:
    from superqt.utils import GeneratorWorker

Told: TypeAlias = Suggested | News | Ranked | OvsegError
Steps: TypeAlias = Callable[[Review, SuggestRequest, Models, Monitor], Iterator[Told]]


def work_of(
    desk: ReviewDesk, steps: Steps, request: SuggestRequest, models: Models
) -> Callable[[Monitor], Iterator[Told]]:
    """Steps that begin when everything that was painted is on the disk."""
    desk.save()

    def work(monitor: Monitor) -> Iterator[Told]:
        desk.wait_until_saved()
        yield from steps(desk.review, request, models, monitor)

    return work


class ReviewRun:
    """One run of the worker; all that it tells it tells in the window's thread."""

    def __init__(self, told: Callable[[Told], None], finished: Callable[..., None]) -> None:
        """`finished` is called with nothing."""
        self.monitor = Monitor()
        self._told = told
        self._finished = finished

    def start(self, steps: Callable[[Monitor], Iterator[Told]]) -> None:
        """Begin; models are opened in the worker, too."""
        from napari.qt.threading import create_worker  # noqa: PLC0415  needs Qt

        def work() -> Generator[Told, None, None]:
            try:
                yield from steps(self.monitor)
            except Cancelled:
                return
            except OvsegError as error:  # raised, napari would show it a second time
                yield error

        worker: GeneratorWorker[Told, None, None] = create_worker(work, _start_thread=False)
        worker.yielded.connect(self._told)
        worker.finished.connect(self._finished)
        worker.start()

    def stop(self) -> None:
        """Ask it to end; it does so before the next window of a picture."""
        self.monitor.stop()


class ReviewWork:
    """What has to be ended in good order, whatever becomes of the window."""

    def __init__(self) -> None:
        self.desk: ReviewDesk | None = None
        self.run: ReviewRun | None = None

    def close(self) -> None:
        if self.run is not None:
            self.run.stop()
        desk, self.desk = self.desk, None
        if desk is not None:
            desk.close()
