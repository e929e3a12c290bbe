"""The Segment dock without threads and windows: work is done when it is asked for, or by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from fake_engine import FakeEngine
from napari.components import ViewerModel
from numpy.typing import NDArray

from napari_plugin.lanes import Errand
from napari_plugin.monitor import Monitor
from napari_plugin.preferences import Preferences
from napari_plugin.presenter import Lanes, SegmentPresenter
from napari_plugin.sessions import Sessions
from napari_plugin.suggesting import Suggestor
from napari_plugin.workspace import Workspace
from ovseg_annotate.devices import Placement
from ovseg_annotate.errors import OvsegError
from ovseg_annotate.feature_store import FeatureStore
from ovseg_annotate.session import Session


class InstantLane:
    """Runs an errand within `start`."""

    monitor: Monitor | None = None

    def start(self, errand: Errand) -> None:
        self.monitor = Monitor()
        error: Exception | None = None
        try:
            for result in errand.work(self.monitor):
                errand.result(result)
        except Exception as problem:
            error = problem
        self.monitor = None
        errand.end(error)

    def stop(self) -> None:
        self.monitor = None


class HeldLane:
    """Runs an errand one result at a time, when the test says so."""

    def __init__(self) -> None:
        self.monitor: Monitor | None = None
        self._errand: Errand | None = None
        self._results: Iterator[Any] = iter(())

    def start(self, errand: Errand) -> None:
        self.stop()
        self.monitor = Monitor()
        self._errand, self._results = errand, errand.work(self.monitor)

    def step(self) -> bool:
        """Deliver the next result; False when that was the end or nothing runs."""
        if self._errand is None:
            return False
        errand = self._errand
        try:
            errand.result(next(self._results))
        except StopIteration:
            self.monitor = self._errand = None
            errand.end(None)
            return False
        return True

    def stop(self) -> None:
        if self.monitor is not None:
            self.monitor.stop()
        self.monitor = self._errand = None


class StepsAtOnce:
    """Draws without pauses."""

    def start(self, steps: Iterator[None], end: Callable[[], None]) -> None:
        for _ in steps:
            pass
        end()


class OneSession:
    """Always the same session."""

    def __init__(self, engine: FakeEngine) -> None:
        self.engine = engine
        where = Placement(torch.device("cpu"), torch.float32)
        self.real = Session(engine, where, FeatureStore(), model="fake@none")

    def session(self, _preferences: Preferences, _monitor: Monitor) -> Session:
        return self.real


class Desk:
    """A presenter in a viewer without a window, and what it told."""

    def __init__(
        self, lane: Any = None, engine: FakeEngine | None = None, sessions: Sessions | None = None
    ) -> None:
        self.engine = engine or FakeEngine()
        self.viewer = ViewerModel()
        self.workspace = Workspace(self.viewer)
        self.sessions = sessions or OneSession(self.engine)
        lanes = Lanes(lane or InstantLane(), InstantLane(), InstantLane(), StepsAtOnce())
        suggestor = Suggestor(self.sessions)
        self.presenter = SegmentPresenter(self.workspace, lanes, suggestor, Preferences)
        self.failed: list[OvsegError] = []
        self.said: list[str] = []
        self.finished = 0
        self.presenter.failed.connect(self._note_failure)
        self.presenter.said.connect(self._note_text)
        self.presenter.finished.connect(self._note_end)

    @property
    def table(self) -> Any:
        return self.workspace.table

    def layer(self, ending: str) -> Any:
        """The layer whose name ends so."""
        (found,) = [layer for layer in self.viewer.layers if layer.name.endswith(ending)]
        return found

    def _note_failure(self, error: OvsegError) -> None:
        self.failed.append(error)

    def _note_text(self, text: str) -> None:
        self.said.append(text)

    def _note_end(self) -> None:
        self.finished += 1


def coloured_picture(size: int = 64) -> NDArray[np.uint8]:
    """Left half red, right half green, with a blue square in the middle of the red."""
    pixels = np.zeros((size, size, 3), np.uint8)
    pixels[:, : size // 2, 0] = 255
    pixels[:, size // 2 :, 1] = 255
    square = slice(size // 4, size // 2)
    pixels[square, size // 8 : size // 8 + size // 4] = (0, 0, 255)
    return pixels
