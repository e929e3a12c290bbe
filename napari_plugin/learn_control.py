"""What the learning part of the dock does: Learn, back again, another version, as I paint."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from qtpy.QtCore import QObject, QTimer

from napari_plugin.learn_group import LearnGroup
from napari_plugin.notices import errors_shown
from napari_plugin.presenter import SegmentPresenter, Settings
from ovseg_annotate.errors import OptionError

_LEARN_AFTER = 700  # ms after a stroke


class LearnControl(QObject):
    """Between the group and the presenter; main thread only."""

    def __init__(
        self,
        group: LearnGroup,
        presenter: SegmentPresenter,
        settings: Callable[[], Settings],
        began: Callable[[], None],
    ) -> None:
        """`settings` are those of the forms; `began` is told of every run."""
        super().__init__(group)
        self._group = group
        self._presenter = presenter
        self._settings = settings
        self._began = began
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_LEARN_AFTER)
        self._timer.timeout.connect(self._learn_from_stroke)
        group.learn_button.clicked.connect(self.learn)
        group.undo_button.clicked.connect(self.undo)
        group.version_chosen.connect(self.use)
        presenter.learnt.connect(group.show_learnt)
        presenter.workspace.painted.connect(self._note_stroke)

    def learn(self) -> None:
        """Learn from marks and corrections."""
        with errors_shown():
            self._presenter.settle()
            self._presenter.learn(self._settings())
            self._began()

    def undo(self) -> None:
        with errors_shown():
            self._presenter.undo_learning(self._settings())
            self._began()

    def use(self, version: str) -> None:
        with errors_shown():
            self._presenter.use_version(version, self._settings())
            self._began()

    def stop(self) -> None:
        """Learn nothing more by itself."""
        self._timer.stop()

    def close(self) -> None:
        self.stop()
        self._presenter.learnt.disconnect(self._group.show_learnt)
        self._presenter.workspace.painted.disconnect(self._note_stroke)

    def _note_stroke(self) -> None:
        if self._group.as_painted_box.isChecked():
            self._timer.start()

    def _learn_from_stroke(self) -> None:
        if self._presenter.busy or not self._presenter.settle():
            self._timer.start()
            return
        with errors_shown():
            settings = self._settings()
            with suppress(OptionError):  # the stroke was undone: there is nothing to learn from
                self._presenter.learn(settings)
                self._began()
