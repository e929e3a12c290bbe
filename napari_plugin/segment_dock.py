"""The dock "Segment": type concepts, press a button, look, paint, learn, export."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QTimer, Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_plugin.accepting import Preserve
from napari_plugin.concept_panel import ConceptPanel
from napari_plugin.export_kinds import ExportKind
from napari_plugin.lanes import WorkerLane
from napari_plugin.learn_control import LearnControl
from napari_plugin.notices import errors_shown, show_error
from napari_plugin.pictures import is_picture
from napari_plugin.pointing_layers import Tool
from napari_plugin.preferences import read_preferences
from napari_plugin.presenter import Lanes, SegmentPresenter, Settings
from napari_plugin.run_progress import RunProgress
from napari_plugin.segment_form import OptionsForm, PictureForm, settings_of
from napari_plugin.segment_panel import SegmentPanel
from napari_plugin.segmented_picture import Statistics
from napari_plugin.sessions import SessionKeeper, Sessions
from napari_plugin.shortcuts import CONCEPT_KEYS, Shortcuts
from napari_plugin.suggesting import Suggestor
from napari_plugin.timed_steps import TimedSteps
from napari_plugin.workspace import Workspace

if TYPE_CHECKING:
    import napari.viewer

_LIVE_AFTER = 10  # ms after a change
_LIVE_SPAN = 0.4  # s that a live run may take before a newer change replaces it
_SETTLE_AFTER = 120  # ms after a stroke


class SegmentDock(QWidget):
    """The window of a `SegmentPresenter`."""

    finished = Signal()  # nothing is under way any more

    def __init__(
        self, napari_viewer: napari.viewer.Viewer, sessions: Sessions | None = None
    ) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.workspace = Workspace(napari_viewer)
        self._steps = TimedSteps(self)
        lanes = Lanes(WorkerLane(), WorkerLane(), WorkerLane(), self._steps)
        suggestor = Suggestor(SessionKeeper() if sessions is None else sessions)
        self.presenter = SegmentPresenter(self.workspace, lanes, suggestor, read_preferences)
        self.concepts = ConceptPanel(self.workspace.table, self._pixels_of_person)
        self.picture = PictureForm()
        self.options = OptionsForm()
        self.panel = SegmentPanel(self.picture.rows, self.concepts, self.options.rows)
        self._progress = RunProgress(
            self.panel, lambda: self.presenter.report, self.presenter.cancel
        )
        self.learning = LearnControl(
            self.panel.learning,
            self.presenter,
            self.settings,
            partial(self._progress.start, in_activity_dock=True),
        )
        self._live_timer = _timer(self, _LIVE_AFTER, self._refresh)
        self._settle_timer = _timer(self, _SETTLE_AFTER, self._settle)
        self._started = 0.0
        self._closed = False
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.panel)
        self._shortcuts = Shortcuts(napari_viewer, self._keys())
        self._connect()
        self._offer_layers()

    def segment(self) -> None:
        """Suggest labels for the chosen picture."""
        with errors_shown():
            if self.concepts.words_edit.text().strip():
                self.concepts.add()
            self._live_timer.stop()  # what was typed is part of this run
            self._started = time.monotonic()
            self.presenter.segment(self.picture.layer.value, self.settings())
            self._progress.start(in_activity_dock=True)

    def cancel(self) -> None:
        self.presenter.cancel()

    def accept(self, *, everything: bool) -> None:
        """Accept the chosen concept, or all."""
        with errors_shown():
            rows = range(len(self.workspace.table)) if everything else [self.concepts.row]
            how = Preserve(self.panel.preserve_box.currentData())
            stack = bool(self.picture.planes.value)
            pixels = self.workspace.accept([r for r in rows if r >= 0], how, whole_stack=stack)
            self._say(f"{pixels:,} pixels accepted")

    def point(self, tool: Tool) -> None:
        """Take up a tool to mark the chosen concept."""
        with errors_shown():
            self.presenter.check_pointable()
            layer = self.picture.layer.value
            source = self.presenter.source_of(layer, self.settings())
            yes = self.panel.positive_box.isChecked()
            self.workspace.point(layer, source, tool, self.concepts.row, yes=yes)

    def discard(self) -> None:
        """Show the suggestion again where it was corrected."""
        self.workspace.forget_corrections()

    def next_uncertain(self) -> None:
        with errors_shown():
            place = self.workspace.next_uncertain()
            self._say(place.sentence)

    def export(self, kind: ExportKind) -> None:
        """Ask for a file and write what stands in the layers."""
        from napari_plugin.export_dialogs import ask_for_file  # noqa: PLC0415  slow to import

        with errors_shown():
            picture = self.workspace.picture
            path = ask_for_file(kind, "annotations" if picture is None else picture.name)
            if path is not None:
                self.presenter.export(kind, path)

    def settings(self) -> Settings:
        """What the forms say now."""
        return settings_of(self.picture, self.options)

    def halt(self) -> None:
        """Stop everything that is under way: nobody sees it any more."""
        for timer in (self._live_timer, self._settle_timer):
            timer.stop()
        self._steps.stop()
        self.learning.stop()
        self.presenter.halt()
        self._progress.close()

    def close_dock(self) -> None:
        """Give back what belongs to the viewer; what was made stays in it."""
        if self._closed:
            return
        self._closed = True
        self.halt()
        self._shortcuts.close()
        self.learning.close()
        self.concepts.close_model()
        layers = self.viewer.layers.events
        layers.inserted.disconnect(self._offer_layers)
        layers.removed.disconnect(self._offer_layers)
        self.viewer.dims.events.current_step.disconnect(self._turn_page)
        self.presenter.close()

    def closeEvent(self, event: Any) -> None:  # noqa: N802
        self.close_dock()
        super().closeEvent(event)

    def showEvent(self, event: Any) -> None:  # noqa: N802
        window = self.window()
        if window is not None:
            window.installEventFilter(self)  # once, however often it is asked for
        super().showEvent(event)

    def eventFilter(self, watched: Any, event: Any) -> bool:  # noqa: N802
        """Closing the viewer closes no docks: they go when its window does."""
        if watched is self.window():
            if event.type() == QEvent.Type.Hide and not event.spontaneous():  # not made an icon
                self.halt()
            elif event.type() == QEvent.Type.WindowActivate:  # perhaps after the preferences
                self.panel.model_box.show_preference()
        return bool(super().eventFilter(watched, event))

    def _connect(self) -> None:
        presenter, workspace, panel = self.presenter, self.workspace, self.panel
        presenter.busy_changed.connect(self._set_busy)
        presenter.finished.connect(self._finish)
        presenter.failed.connect(show_error)
        presenter.warned.connect(_show_warning)
        presenter.said.connect(self._say)
        presenter.threshold_used.connect(self.options.show_threshold)
        workspace.statistics_changed.connect(self._show_statistics)
        workspace.edited.connect(self._settle_soon)
        workspace.label_chosen.connect(lambda label: self.concepts.choose(label - 1))
        workspace.table.words_changed.connect(self._live)
        self.concepts.chosen.connect(workspace.choose)
        self.concepts.refused.connect(show_error)
        self.options.changed.connect(self._live)
        panel.model_box.chosen.connect(self._tell_model)
        panel.model_box.refused.connect(show_error)
        self.picture.layer.changed.connect(workspace.turn_to)
        layers = self.viewer.layers.events
        layers.inserted.connect(self._offer_layers)
        layers.removed.connect(self._offer_layers)
        self.viewer.dims.events.current_step.connect(self._turn_page)
        for button, action in (
            (panel.segment_button, self.segment),
            (panel.cancel_button, self.cancel),
            (panel.accept_button, partial(self.accept, everything=False)),
            (panel.accept_all_button, partial(self.accept, everything=True)),
            (panel.discard_button, self.discard),
            (panel.uncertain_button, self.next_uncertain),
        ):
            button.clicked.connect(_without_arguments(action))
        for tool, button in panel.tool_buttons.items():
            button.clicked.connect(_without_arguments(partial(self.point, tool)))
        for kind, action in panel.export_actions.items():
            action.triggered.connect(_without_arguments(partial(self.export, kind)))

    def _keys(self) -> dict[str, Any]:
        keys: dict[str, Any] = {
            f"Shift-{letter}": partial(self.concepts.choose, row)
            for row, letter in enumerate(CONCEPT_KEYS)
        }
        keys["Shift-A"] = partial(self.accept, everything=False)
        keys["Shift-N"] = self.next_uncertain
        keys["Shift-L"] = self.learning.learn
        return keys

    def _pixels_of_person(self, label: int) -> int:
        return self.workspace.pixels_of_person(label)

    def _offer_layers(self, _event: object = None) -> None:
        images = [layer for layer in self.viewer.layers if is_picture(layer)]
        self.picture.offer(images)

    def _live(self) -> None:
        # Not started again while it waits: a slider that keeps moving is followed all the same.
        if not self._live_timer.isActive():
            self._live_timer.start()

    def _refresh(self) -> None:
        young = time.monotonic() - self._started < _LIVE_SPAN
        if self.presenter.learns or (self.presenter.busy and young):
            self._live_timer.start()
            return
        with errors_shown():
            self._started = time.monotonic()
            if self.presenter.refresh(self.settings()):
                self._progress.start(in_activity_dock=False)

    def _settle_soon(self) -> None:
        self._settle_timer.start()

    def _settle(self) -> None:
        if not self.presenter.settle():
            self._settle_timer.start()

    def _set_busy(self, busy: bool) -> None:  # noqa: FBT001  a signal brings it
        self.panel.set_busy(busy=busy)

    def _finish(self) -> None:
        self._progress.close()
        self.panel.show_end()
        self.finished.emit()

    def _turn_page(self, _event: object) -> None:
        self.workspace.tell_statistics()

    def _show_statistics(self, statistics: Statistics) -> None:
        self.concepts.model.set_statistics(statistics)
        self.panel.show_corrected(statistics.corrected)

    def _tell_model(self, name: str) -> None:
        self._say(f"press Segment to use {name}")

    def _say(self, text: str) -> None:
        self.panel.say(text)


def _timer(owner: QWidget, interval: int, action: Any) -> QTimer:
    timer = QTimer(owner)
    timer.setSingleShot(True)
    timer.setInterval(interval)
    timer.timeout.connect(action)
    return timer


def _without_arguments(action: Any) -> Any:
    """Buttons tell whether they are checked, which nobody asked."""
    return lambda *_: action()


def _show_warning(text: str) -> None:
    from napari.utils.notifications import show_warning  # noqa: PLC0415

    show_warning(text)
