"""The dock "Folder review": a folder of pictures, one after the other, until all are accepted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from qtpy.QtCore import QTimer, Signal
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QShortcut, QVBoxLayout, QWidget

from napari_plugin.notices import errors_shown, show_error
from napari_plugin.preferences import Preferences, read_preferences
from napari_plugin.review_desk import ReviewDesk
from napari_plugin.review_files import asked_files, asked_folder
from napari_plugin.review_learning import (
    Models,
    News,
    Ranked,
    learn,
    look,
    models_of,
    suggest_all,
    undo_learning,
)
from napari_plugin.review_list import Arrangement, Order, counts
from napari_plugin.review_model import ReviewModel
from napari_plugin.review_panel import ReviewPanel
from napari_plugin.review_run import ReviewRun, ReviewWork, Steps, Told, work_of
from napari_plugin.review_state import OpenPicture, open_review, usual_run_folder
from napari_plugin.review_suggesting import Suggested, SuggestRequest
from napari_plugin.review_thread import Done
from napari_plugin.sessions import SessionKeeper
from ovseg_annotate.errors import OvsegError, RunError
from ovseg_annotate.vocabulary import Vocabulary

if TYPE_CHECKING:
    import napari.viewer

ModelsMaker: TypeAlias = Callable[[SessionKeeper, Preferences], Models]

_SAVE_AFTER = 500  # ms without a stroke
_LOOK_EVERY = 100  # ms, at the progress of a run


class ReviewDock(QWidget):
    """Opens a folder, shows picture after picture, saves what a person does as it is done."""

    shown = Signal(str)  # name of the picture that is now in the viewer
    saved = Signal(str)  # name of a picture whose record was written
    idle = Signal()  # a run of suggestions ended, whatever the reason
    _done = Signal(object)  # Done, from the thread of the review

    def __init__(
        self, napari_viewer: napari.viewer.Viewer, models_of: ModelsMaker = models_of
    ) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self._models_of = models_of
        self._keeper = SessionKeeper()
        self._work = ReviewWork()
        self.panel = ReviewPanel()
        self._model = ReviewModel()
        self.panel.set_list(self._model)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.panel)
        self._save_timer = _timer(self, _SAVE_AFTER, self._save)
        self._look_timer = _timer(self, _LOOK_EVERY, self._show_progress)
        self._save_timer.setSingleShot(True)
        self._inputs: tuple[Path, ...] = ()
        self._said = ""  # what the run under way came to
        self._connect()

    @property
    def desk(self) -> ReviewDesk | None:
        """The open review; None before there is one."""
        return self._work.desk

    def open(self, inputs: Sequence[Path], out: Path | None = None) -> None:
        """Review these pictures, folders of pictures, or the pictures of a run folder."""
        with errors_shown():
            if self._work.run is not None:
                raise RunError("suggestions are being made; cancel them first")
            folder = usual_run_folder(inputs) if out is None else out
            self.close_review()
            review = open_review(inputs, folder)
            desk = ReviewDesk(review, self.viewer, self._done.emit)
            desk.edited.connect(self._start_save_timer)
            desk.shown.connect(self._show_picture)
            review.item_changed.connect(self._show_state)
            self._work.desk, self._inputs = desk, tuple(inputs)
            self.panel.tell_source(len(review.items), inputs, review.folder.path)
            if review.vocabulary is not None:
                self.panel.words_edit.setText(str(review.vocabulary))
                self.panel.words_edit.setCursorPosition(0)
            self._arrange()
            self._go_to_row(0)

    def suggest(self) -> None:
        """Have suggestions made for every picture without any."""
        self._run(suggest_all)

    def learn(self) -> None:
        """Learn from all corrections; a better version suggests for all open pictures."""
        self._run(learn)

    def undo_learning(self) -> None:
        """Back to the version before."""
        self._run(undo_learning)

    def rank(self) -> None:
        """Find out which open pictures are the most useful to answer."""
        self._run(look)

    def cancel(self) -> None:
        """Stop suggesting; what is done is kept."""
        if self._work.run is not None:
            self._work.run.stop()

    def accept(self) -> None:
        """Accept the picture and go to the next one."""
        if self._work.desk is not None:
            self._work.desk.accept()
            self.step(1)

    def step(self, by: int) -> None:
        """Go down or up in the list."""
        self._go_to_row(self.panel.row + by)

    def restore(self) -> None:
        """Give up the corrections of this picture."""
        if self._work.desk is not None:
            self._save_timer.stop()
            self._work.desk.restore()

    def close_review(self) -> None:
        """Save and let go of the folder; waits for the disk."""
        desk = self._work.desk
        self._save_timer.stop()
        self._work.close()
        if desk is not None:
            desk.clear()
        self._model.arrange(None, Arrangement())
        self.panel.set_open(is_open=False)

    def _run(self, steps: Steps) -> None:
        """Have something done in the worker; one thing at a time."""
        with errors_shown():
            desk = self._work.desk
            if desk is None:
                raise RunError("there are no pictures yet; choose a folder first")
            if self._work.run is not None:
                return
            preferences = read_preferences()
            words = Vocabulary.parse(self.panel.words_edit.text())
            again = self.panel.replace_box.isChecked()
            request = SuggestRequest(preferences, words, desk.position or 0, again)
            work = work_of(desk, steps, request, self._models_of(self._keeper, preferences))
            self._work.run = ReviewRun(self._take_told, self._end_run)
            self.panel.set_busy(busy=True)
            self._look_timer.start()
            self._work.run.start(work)

    def _connect(self) -> None:
        panel = self.panel
        panel.folder_button.clicked.connect(self._ask_for_folder)
        panel.files_button.clicked.connect(self._ask_for_files)
        panel.records_edit.editingFinished.connect(self._change_records)
        panel.suggest_button.clicked.connect(self.suggest)
        panel.cancel_button.clicked.connect(self.cancel)
        panel.learn_button.clicked.connect(self.learn)
        panel.undo_button.clicked.connect(self.undo_learning)
        panel.state_box.currentTextChanged.connect(self._arrange)
        panel.order_box.currentTextChanged.connect(self._change_order)
        panel.search_edit.textChanged.connect(self._arrange)
        panel.row_chosen.connect(self._show_row)
        panel.concept_box.activated.connect(self._choose_concept)
        panel.previous_button.clicked.connect(lambda: self.step(-1))
        panel.next_button.clicked.connect(lambda: self.step(1))
        panel.accept_button.clicked.connect(self.accept)
        panel.restore_button.clicked.connect(self.restore)
        self._done.connect(self._take)
        for keys, act in (
            ("Alt+Left", lambda: self.step(-1)),
            ("Alt+Right", lambda: self.step(1)),
            ("Alt+Return", self.accept),
        ):
            QShortcut(QKeySequence(keys), self).activated.connect(act)
        # Of a plain object, because this one is gone by then.
        self.destroyed.connect(self._work.close)

    def _ask_for_folder(self) -> None:
        chosen = asked_folder(self)
        if chosen is not None:
            self.open([chosen])

    def _ask_for_files(self) -> None:
        chosen = asked_files(self)
        if chosen:
            self.open(chosen)

    def _change_records(self) -> None:
        desk, text = self._work.desk, self.panel.records_edit.text().strip()
        if desk is not None and text and Path(text) != desk.review.folder.path:
            self.open(self._inputs, Path(text).expanduser().absolute())

    def _change_order(self, text: str) -> None:
        if text == Order.USEFUL and self._work.desk is not None:
            self.rank()
        else:
            self._arrange()

    def _arrange(self) -> None:
        """Show the list as it is asked for now; the open picture stays open."""
        desk = self._work.desk
        if desk is None:
            return
        self._model.arrange(desk.review, self.panel.arrangement())
        row = None if desk.position is None else self._model.row_of(desk.position)
        if row is not None:
            self.panel.choose_row(row)
        self._show_counts()

    def _go_to_row(self, row: int) -> None:
        if self._model.position_at(row) is not None:
            self.panel.choose_row(row)

    def _show_row(self, row: int) -> None:
        desk, position = self._work.desk, self._model.position_at(row)
        if desk is not None and position is not None and position != desk.position:
            self._save_timer.stop()
            desk.show(position)

    def _show_picture(self, picture: OpenPicture) -> None:
        vocabulary = None if picture.annotated is None else picture.annotated.vocabulary
        self.panel.tell_concepts(vocabulary)
        self.panel.set_open(is_open=True)
        if self._work.desk is not None:
            self.shown.emit(self._work.desk.review.items[picture.position].picture.name)

    def _choose_concept(self, row: int) -> None:
        if self._work.desk is not None:
            self._work.desk.paint_with(int(self.panel.concept_box.itemData(row)))

    def _start_save_timer(self) -> None:
        self._save_timer.start()

    def _save(self) -> None:
        if self._work.desk is not None:
            self._work.desk.save()

    def _take(self, done: Done) -> None:
        desk = self._work.desk
        if desk is None:
            return
        desk.take(done)
        if isinstance(done.error, OvsegError):
            show_error(done.error)
        elif done.error is not None:
            raise done.error
        elif done.opened is None:
            self.saved.emit(desk.review.items[done.position].picture.name)

    def _show_state(self, position: int) -> None:
        self._model.tell_changed(position)
        self._show_counts()

    def _show_counts(self) -> None:
        if self._work.desk is not None:
            items = self._work.desk.review.items
            self.panel.tell_counts(counts(items), self._model.rowCount())

    def _show_progress(self) -> None:
        if self._work.run is not None:
            self.panel.tell_progress(self._work.run.monitor.latest)

    def _take_told(self, told: Told) -> None:
        desk = self._work.desk
        if isinstance(told, OvsegError):
            show_error(told)
        elif isinstance(told, News):
            self._said = told.sentence
        elif isinstance(told, Ranked) and desk is not None:
            desk.review.rank(told.choices)
            self._said = told.choices[0].reason if told.choices else "nothing is left to answer"
        elif isinstance(told, Suggested) and desk is not None:
            if told.result.error is not None:
                show_error(told.result.error)
            position = desk.review.position_of(told.result.picture.name)
            if position is not None:
                desk.suggested(position)

    def _end_run(self) -> None:
        self._work.run = None
        self._look_timer.stop()
        self.panel.set_busy(busy=False)
        self.panel.say(self._said)
        self._said = ""
        desk = self._work.desk
        if desk is not None and desk.picture is not None and desk.picture.annotated is None:
            desk.reopen()  # there are words now
        self._arrange()
        self.idle.emit()


def _timer(owner: QWidget, interval: int, act: Callable[[], None]) -> QTimer:
    timer = QTimer(owner)
    timer.setInterval(interval)
    timer.timeout.connect(act)
    return timer
