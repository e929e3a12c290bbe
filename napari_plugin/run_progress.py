"""The progress of a run, in the dock and in napari's activity dock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, QTimer

from napari_plugin.monitor import Report
from napari_plugin.segment_panel import SegmentPanel

_LOOK_EVERY = 50  # ms


class RunProgress(QObject):
    """Looks at the report of a run while there is one."""

    def __init__(
        self, panel: SegmentPanel, report: Callable[[], Report | None], stop: Callable[[], None]
    ) -> None:
        super().__init__(panel)
        self._panel = panel
        self._report = report
        self._stop = stop
        self._bar: Any = None  # napari's
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOK_EVERY)
        self._timer.timeout.connect(self._look)

    def start(self, *, in_activity_dock: bool) -> None:
        """A run began; short ones need no place in the activity dock."""
        if in_activity_dock and self._bar is None:
            from napari.utils import cancelable_progress  # noqa: PLC0415  slow to import

            self._bar = cancelable_progress(total=0, desc="Segment")
        self._timer.start()

    def close(self) -> None:
        """The run is over."""
        self._timer.stop()
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _look(self) -> None:
        report, bar = self._report(), self._bar
        if report is None:
            return
        self._panel.show_report(report)
        if bar is None:
            return
        if bar.is_canceled:
            self._stop()
            return
        if (bar.total, bar.n, bar.desc) != (report.total, report.done, f"{report.text}: "):
            bar.total = report.total
            bar.set_description(report.text)
            bar.update(report.done - bar.n)
