"""Polygons follow the labels: traced in a lane, drawn in steps, the newest of each plane wins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

from napari_plugin.lanes import Errand, Lane
from napari_plugin.monitor import Monitor, Report
from napari_plugin.outlines import Drawn, Outlines, outlines_of
from napari_plugin.pictures import Plane
from napari_plugin.segmented_picture import Looks, SegmentedPicture
from ovseg_annotate.errors import OptionError
from ovseg_annotate.region_options import RegionOptions

MOST_POLYGONS = 10_000  # napari draws and drags choppily beyond


class Steps(Protocol):
    """Runs a piece of drawing between other events of the main thread."""

    def start(self, steps: Iterator[None], end: Callable[[], None]) -> None:
        """One at a time."""


class Outliner:
    """Traces planes whose labels changed and draws their polygons."""

    def __init__(self, lane: Lane, steps: Steps, end: Callable[[Exception | None], None]) -> None:
        self._lane = lane
        self._steps = steps
        self._end = end
        self._waiting: dict[tuple[int, Plane], tuple[SegmentedPicture, Drawn]] = {}
        self._looks: Looks | None = None
        self._to_draw: dict[int, SegmentedPicture] = {}
        self._drawing: SegmentedPicture | None = None

    @property
    def busy(self) -> bool:
        return self._drawing is not None or self._lane.monitor is not None

    def follow(self, picture: SegmentedPicture, plane: Plane, looks: Looks) -> None:
        """Draw the polygons of a plane again if its labels are not those last drawn."""
        drawn = picture.drawn(plane, looks.vocabulary)
        key = (id(picture), plane)
        if drawn is None:
            return
        seen = picture.followed.get(plane)
        if seen is not None and seen[0] == looks and np.array_equal(seen[1], drawn.labels):
            return
        self._looks = looks
        picture.followed[plane] = (looks, drawn.labels)
        self._waiting[key] = (picture, drawn)
        if self._lane.monitor is None:
            self._lane.start(Errand(self._trace, self._take, self._finish))

    def forget(self) -> None:
        """Labels were renumbered: what is under way has the old numbers."""
        self._lane.stop()
        self._waiting.clear()

    def halt(self) -> None:
        """Neither trace nor draw any more."""
        self.forget()
        self._to_draw.clear()
        self._drawing = None

    def _trace(self, monitor: Monitor) -> Iterator[tuple[SegmentedPicture, Outlines]]:
        while self._waiting and not monitor.is_stopped():
            _, (picture, drawn) = self._waiting.popitem()
            monitor.tell(Report("tracing polygons"))
            yield picture, outlines_of(drawn, RegionOptions())

    def _take(self, result: tuple[SegmentedPicture, Outlines]) -> None:
        picture, outlines = result
        picture.places[outlines.plane] = outlines.places
        if len(outlines) > MOST_POLYGONS:
            self._end(
                OptionError(
                    f"{len(outlines)} polygons are more than napari draws well "
                    f"({MOST_POLYGONS}); the labels are complete, the polygons are those of "
                    "before: raise the minimum area to have new ones"
                )
            )
            return
        picture.take_outlines(outlines)
        self._to_draw[id(picture)] = picture
        if self._drawing is None:
            self._draw_next()

    def _draw_next(self) -> None:
        if self._looks is not None and self._to_draw:
            _, self._drawing = self._to_draw.popitem()
            self._steps.start(self._drawing.draw(self._looks), self._drew)
        elif not self.busy:
            self._end(None)

    def _drew(self) -> None:
        self._drawing = None
        self._draw_next()

    def _finish(self, error: Exception | None) -> None:
        if error is None and self._waiting:  # something changed as the last one was handed over
            self._lane.start(Errand(self._trace, self._take, self._finish))
        elif error is not None or self._drawing is None:
            self._end(error)
