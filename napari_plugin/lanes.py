"""One piece of work at a time, outside the main thread; of several wishes the latest wins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from napari_plugin.monitor import Monitor

Work: TypeAlias = Callable[[Monitor], Iterator[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Errand:
    """Work and who hears of it, in the main thread."""

    work: Work
    result: Callable[[Any], None]
    end: Callable[[Exception | None], None]  # once, unless something newer took its place


class Lane(Protocol):
    """Where errands run."""

    def start(self, errand: Errand) -> None:
        """Run this instead of whatever runs; results of the former are not told any more."""

    def stop(self) -> None:
        """Stop what runs; neither results nor an end are told any more."""

    @property
    def monitor(self) -> Monitor | None:
        """Of what runs now; None when idle."""


class WorkerLane:
    """A lane on napari's workers; call it from the main thread."""

    def __init__(self) -> None:
        self._current: _Run | None = None  # may still wait for the one that ends
        self._ending: _Run | None = None  # stopped, but still in its thread

    @property
    def monitor(self) -> Monitor | None:
        return None if self._current is None else self._current.monitor

    def start(self, errand: Errand) -> None:
        self.stop()
        self._current = _Run(errand)
        if self._ending is None:
            self._launch(self._current)

    def stop(self) -> None:
        run, self._current = self._current, None
        if run is not None:
            run.monitor.stop()
            if run.launched:
                self._ending = run

    def _launch(self, run: _Run) -> None:
        from napari.qt.threading import create_worker  # noqa: PLC0415  brings Qt

        run.launched = True
        worker = create_worker(run.steps)
        worker.yielded.connect(lambda result: self._tell(run, result))
        worker.finished.connect(lambda: self._finish(run))
        worker.start()

    def _tell(self, run: _Run, result: Any) -> None:
        if run is self._current:
            run.errand.result(result)

    def _finish(self, run: _Run) -> None:
        if run is self._current:
            self._current = None
            run.errand.end(run.error)
            return
        self._ending = None
        if self._current is not None:
            self._launch(self._current)


class _Run:
    """An errand under way, or about to be."""

    def __init__(self, errand: Errand) -> None:
        self.errand = errand
        self.monitor = Monitor()
        self.launched = False
        self.error: Exception | None = None

    def steps(self) -> Iterator[Any]:
        try:
            for result in self.errand.work(self.monitor):
                if self.monitor.is_stopped():
                    return
                yield result
        # Told in the main thread, by whoever asked for the work.
        except Exception as error:
            self.error = error
