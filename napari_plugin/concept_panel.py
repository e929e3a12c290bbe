"""The table of concepts with its line to type in and its buttons."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from qtpy.QtCore import QItemSelectionModel, QModelIndex, Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QColorDialog,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QMenu,
    QMessageBox,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from napari_plugin.concept_model import Column, ConceptModel
from napari_plugin.concept_table import ConceptTable
from ovseg_annotate.errors import OvsegError

_FILES = "Words (*.yaml *.yml *.txt)"
_LEAST_ROWS = 5
_ROW_HEIGHT = 24  # px
_NARROW = 26  # px
_WIDE = 150  # px, of what is not stretched
_ROOM_FOR_PHRASES = 360  # px of the table


class ConceptPanel(QWidget):
    """What a person labels; emits what they choose and what was refused."""

    chosen = Signal(int)  # row
    refused = Signal(object)  # OvsegError

    def __init__(self, table: ConceptTable, pixels_of_person: Callable[[int], int]) -> None:
        super().__init__()
        self._table = table
        self._pixels_of_person = pixels_of_person
        self.model = ConceptModel(table, self.refused.emit)
        self.words_edit = QLineEdit()
        self.words_edit.setPlaceholderText("nucleus: cell nucleus; cytoplasm; -glass slide")
        self.words_edit.setToolTip(
            "Type concepts and press Enter: ';' separates them, ':' introduces phrases, '@0.4' is "
            "a threshold of its own, a leading '-' competes for pixels and is never labelled."
        )
        self.add_button = _button("Add", "Add what is typed on the left.")
        self._selection = QItemSelectionModel(self.model)
        self._header = QHeaderView(Qt.Orientation.Horizontal)
        self.view = self._made_view()
        self.remove_button = _button("Remove", "Remove the chosen concept and its pixels.")
        self.up_button = _button("Up", "Move the chosen concept up; its label number changes.")
        self.down_button = _button("Down", "Move the chosen concept down.")
        self.file_button = _button("File", "Read or write the concepts as a YAML or text file.")
        menu = QMenu(self.file_button)
        self.read_action: Any = menu.addAction("Read concepts...")
        self.write_action: Any = menu.addAction("Write these concepts...")
        self.file_button.setMenu(menu)
        self._lay_out()
        self._connect()

    @property
    def row(self) -> int:
        """The chosen row; -1 for none."""
        index = self.view.currentIndex()
        return int(index.row()) if index.isValid() else -1

    def choose(self, row: int) -> None:
        """Select a row, as a click does."""
        if 0 <= row < len(self._table):
            self.view.setCurrentIndex(self.model.index(row, Column.NAME))

    def add(self) -> None:
        """Add what was typed."""
        if self._try(lambda: self._table.add(self.words_edit.text())):
            self.words_edit.clear()
            if self.row < 0:
                self.choose(0)

    def remove(self) -> None:
        """Remove the chosen row; asks first where a person's pixels would go with it."""
        row = self.row
        if row < 0:
            return
        pixels = self._pixels_of_person(row + 1)
        name = self._table.rows[row].concept.name
        if pixels and not self._confirmed(
            f"You drew or accepted {pixels:,} pixels of {name!r}. Remove the concept and them?"
        ):
            return
        self._try(lambda: self._table.remove(row))
        self.choose(min(row, len(self._table) - 1))

    def move_row(self, step: int) -> None:
        row = self.row
        if row >= 0:
            self._table.move(row, step)
            self.choose(min(max(row + step, 0), len(self._table) - 1))

    def close_model(self) -> None:
        self.model.close()

    def resizeEvent(self, event: Any) -> None:  # noqa: N802
        """Names go before phrases where there is little room."""
        super().resizeEvent(event)
        narrow = self.view.width() < _ROOM_FOR_PHRASES
        self.view.setColumnHidden(Column.PHRASES, narrow)
        self._header.setSectionResizeMode(
            Column.NAME,
            QHeaderView.ResizeMode.Stretch if narrow else QHeaderView.ResizeMode.ResizeToContents,
        )

    def _made_view(self) -> QTableView:
        view = QTableView()
        view.setModel(self.model)
        view.setSelectionModel(self._selection)
        view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        header = self._header
        numbers = QHeaderView(Qt.Orientation.Vertical)
        view.setHorizontalHeader(header)
        view.setVerticalHeader(numbers)
        numbers.setDefaultSectionSize(_ROW_HEIGHT)
        numbers.setToolTip("Shift+Q, W, E, R, T, Y, U, I, O, P choose rows 1 to 10.")
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setMaximumSectionSize(_WIDE)
        header.setSectionResizeMode(Column.PHRASES, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(Column.COLOUR, QHeaderView.ResizeMode.Fixed)
        header.setMinimumSectionSize(_NARROW)
        view.setColumnWidth(Column.COLOUR, _NARROW)
        view.setMinimumHeight(_ROW_HEIGHT * (_LEAST_ROWS + 1))
        view.setToolTip(
            "Choose a row to paint and to point with that concept. Phrases are shown where there "
            "is room for them."
        )
        return view

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        top, bottom = QHBoxLayout(), QHBoxLayout()
        top.addWidget(self.words_edit)
        top.addWidget(self.add_button)
        for button in (
            self.remove_button,
            self.up_button,
            self.down_button,
            self.file_button,
        ):
            bottom.addWidget(button)
        column.addLayout(top)
        column.addWidget(self.view)
        column.addLayout(bottom)

    def _connect(self) -> None:
        self.words_edit.returnPressed.connect(self.add)
        self.add_button.clicked.connect(self.add)
        self.remove_button.clicked.connect(self.remove)
        self.up_button.clicked.connect(lambda: self.move_row(-1))
        self.down_button.clicked.connect(lambda: self.move_row(1))
        self.read_action.triggered.connect(self._ask_and_read)
        self.write_action.triggered.connect(self._ask_and_write)
        self.view.clicked.connect(self._clicked)
        self._selection.currentRowChanged.connect(lambda index, _: self.chosen.emit(index.row()))

    def _clicked(self, index: QModelIndex) -> None:
        column, row = index.column(), index.row()
        if column == Column.COLOUR:
            colour = QColorDialog.getColor(QColor(*self._table.colours[row]), self, "Colour")
            if colour.isValid():
                rgb = (colour.red(), colour.green(), colour.blue())
                self._table.set_colour(row, rgb)

    def _ask_and_read(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Read concepts", "", _FILES)
        if name:
            self._try(lambda: self._table.read(Path(name)))

    def _ask_and_write(self) -> None:
        name, _ = QFileDialog.getSaveFileName(self, "Write concepts", "words.yaml", _FILES)
        if name:
            self._try(lambda: self._table.write(Path(name)))

    def _try(self, step: Callable[[], None]) -> bool:
        try:
            step()
        except OvsegError as error:
            self.refused.emit(error)
            return False
        return True

    def _confirmed(self, question: str) -> bool:
        buttons = QMessageBox.StandardButton
        answer = QMessageBox.question(self, "Segment", question, buttons.Yes | buttons.Cancel)
        return bool(answer == buttons.Yes)


def _button(text: str, tooltip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tooltip)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return button
