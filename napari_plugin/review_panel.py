"""What the Folder review dock looks like; it knows nothing of pictures and records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from qtpy.QtCore import QAbstractItemModel, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListView,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_plugin.monitor import Report
from napari_plugin.review_list import Arrangement, Order
from napari_plugin.scrolled_column import ScrolledColumn
from napari_plugin.swatches import swatch_of
from ovseg_annotate.run_folder import PictureState
from ovseg_annotate.vocabulary import Vocabulary

ALL_STATES = "all"
_LIST_HEIGHT = 140  # px at least
_CHARACTERS = 6  # that a choice has room for at least


class ReviewPanel(ScrolledColumn):
    """The controls from top to bottom."""

    row_chosen = Signal(int)  # of the list of pictures

    def __init__(self) -> None:
        super().__init__()
        self.folder_button = _button("Folder...", "Review the pictures of a folder")
        self.files_button = _button("Files...", "Review single pictures")
        self.source_label = _label("no pictures yet")
        self.records_edit = _line(
            "Where records are kept: a run folder, as 'ovseg annotate' writes it"
        )
        self.words_edit = _line(
            'What to label: "nucleus: cell nucleus; cytoplasm; -glass slide"',
            "nucleus; cytoplasm; -background",
        )
        self.replace_box = QCheckBox("Make other suggestions again")
        self.replace_box.setToolTip(
            "Suggestions that were made with other words or another model are made again; "
            "people's corrections stay"
        )
        self.suggest_button = _button("Suggest", "Suggest labels for every picture without any")
        self.cancel_button = _button("Cancel", "Stop suggesting; what is done is kept")
        self.progress = QProgressBar()
        self.progress.setToolTip("Pictures that got suggestions")
        self.progress.setFormat("%v of %m")
        self.status_label = _label("")
        self.state_box = _choice((ALL_STATES, *PictureState), "Show pictures in this state")
        self.order_box = _choice(
            tuple(Order),
            "The order of the list. Most useful first: in doubt, and unlike what was answered; the "
            "model looks at every open picture once",
        )
        self.search_edit = _line("Show pictures with this in their name", "part of a name")
        self.list_view = QListView()
        self.summary_label = _label("")
        self.concept_box = _choice((), "The concept that the brush paints")
        self.previous_button = _button("Previous", "The picture above (Alt-Left)")
        self.next_button = _button("Next", "The picture below (Alt-Right)")
        self.accept_button = _button(
            "Accept, next", "This picture is right as it is now; go to the next (Alt-Return)"
        )
        self.restore_button = _button(
            "Reset", "Give up the corrections of this picture, back to the suggestion"
        )
        self.learn_button = _button(
            "Learn",
            "Learn from all corrections of the folder; a better version then suggests for every "
            "picture that nobody has answered",
        )
        self.undo_button = _button(
            "Undo Learn", "Back to the version before, for every picture that nobody has answered"
        )
        self._lay_out()
        self.set_busy(busy=False)
        self.set_open(is_open=False)

    def set_busy(self, *, busy: bool) -> None:
        """Suggestions are being made, or not."""
        for button in (self.suggest_button, self.learn_button, self.undo_button):
            button.setEnabled(not busy)
        self.cancel_button.setEnabled(busy)
        for widget in (self.folder_button, self.files_button, self.records_edit):
            widget.setEnabled(not busy)
        if not busy:
            self.progress.setRange(0, 1)
            self.progress.reset()

    def set_open(self, *, is_open: bool) -> None:
        """A picture is shown, or none."""
        for widget in (
            self.previous_button,
            self.next_button,
            self.accept_button,
            self.restore_button,
            self.concept_box,
        ):
            widget.setEnabled(is_open)

    def arrangement(self) -> Arrangement:
        """What is to be shown of the list."""
        state = self.state_box.currentText()
        return Arrangement(
            frozenset(PictureState) if state == ALL_STATES else frozenset({PictureState(state)}),
            Order(self.order_box.currentText()),
            self.search_edit.text().strip(),
        )

    def set_list(self, model: QAbstractItemModel) -> None:
        """Show this list of pictures."""
        self.list_view.setModel(model)
        chosen = self.list_view.selectionModel()
        if chosen is not None:
            chosen.currentChanged.connect(lambda current: self.row_chosen.emit(current.row()))

    @property
    def row(self) -> int:
        """The current one; -1 for none."""
        return self.list_view.currentIndex().row()

    def choose_row(self, row: int) -> None:
        """Make a row the current one and scroll to it."""
        model = self.list_view.model()
        if model is not None:
            self.list_view.setCurrentIndex(model.index(row, 0))

    def tell_source(self, pictures: int, inputs: Sequence[Path], records: Path) -> None:
        """Which pictures are reviewed, and where their records are."""
        self.source_label.setText(f"{pictures} pictures of {', '.join(map(str, inputs))}")
        self.records_edit.setText(str(records))

    def tell_counts(self, count: Mapping[PictureState, int], listed: int) -> None:
        """How far the review is."""
        states = ", ".join(f"{number} {state}" for state, number in count.items() if number)
        self.summary_label.setText(f"{listed} listed; {states}")

    def tell_concepts(self, vocabulary: Vocabulary | None) -> None:
        """What can be painted, with the colours of the labels."""
        self.concept_box.clear()
        if vocabulary is not None:
            for label in vocabulary.labels:
                swatch = swatch_of(vocabulary.colours[label - 1])
                self.concept_box.addItem(swatch, vocabulary.names[label - 1], label)

    def tell_progress(self, report: Report) -> None:
        """Where the run of suggestions stands."""
        self.progress.setRange(0, report.total)
        self.progress.setValue(report.done)
        self.say(report.text)

    def say(self, text: str) -> None:
        """Tell what is done, or what came of it."""
        self.status_label.setText(text)

    def _lay_out(self) -> None:
        self.list_view.setUniformItemSizes(True)
        self.list_view.setMinimumHeight(_LIST_HEIGHT)
        self.list_view.setToolTip("Grey: new, blue: suggested, orange: corrected, green: accepted")
        form = QFormLayout()
        form.addRow("Pictures", _row(self.folder_button, self.files_button))
        form.addRow(self.source_label)
        form.addRow("Records", self.records_edit)
        form.addRow("Words", self.words_edit)
        form.addRow(self.replace_box)
        form.addRow(_row(self.suggest_button, self.cancel_button))
        form.addRow(self.progress)
        form.addRow(self.status_label)
        form.addRow("Show", self.state_box)
        form.addRow("Order", self.order_box)
        form.addRow("Find", self.search_edit)
        ending = QFormLayout()
        ending.addRow("Paint", self.concept_box)
        ending.addRow(_row(self.previous_button, self.next_button))
        ending.addRow(_row(self.accept_button, self.restore_button))
        ending.addRow(_row(self.learn_button, self.undo_button))
        contents = QWidget()
        column = QVBoxLayout(contents)
        column.addLayout(form)
        column.addWidget(self.list_view, stretch=1)
        column.addWidget(self.summary_label)
        column.addLayout(ending)
        self.show_contents(contents)


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    return button


def _line(tip: str, example: str = "") -> QLineEdit:
    line = QLineEdit()
    line.setToolTip(tip)
    line.setPlaceholderText(example)
    return line


def _choice(texts: tuple[str, ...], tip: str) -> QComboBox:
    box = QComboBox()
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(_CHARACTERS)
    box.addItems([str(text) for text in texts])
    box.setToolTip(tip)
    return box


def _label(text: str) -> QLabel:
    label = QLabel(text)
    label.setWordWrap(True)
    return label


def _row(*widgets: QWidget) -> QWidget:
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        layout.addWidget(widget)
    return row
