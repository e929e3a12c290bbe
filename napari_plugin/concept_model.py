"""The rows of a `ConceptTable` for a Qt view."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt

from napari_plugin.concept_table import ConceptRow, ConceptTable
from napari_plugin.segmented_picture import Statistics
from napari_plugin.swatches import swatch_of
from ovseg_annotate.errors import OvsegError


class Column(IntEnum):
    """In the order of the screen."""

    VISIBLE = 0
    COLOUR = 1
    NAME = 2
    PHRASES = 3
    SHARE = 4
    CONFIDENCE = 5
    LOCK = 6


_HEADINGS = {
    Column.VISIBLE: ("Show", "Show or hide the pixels and polygons of this concept."),
    Column.COLOUR: ("", "Click to choose the colour; labels, polygons and exports share it."),
    Column.NAME: (
        "Concept",
        'What is labelled. "-glass slide" competes for pixels and is never labelled; "nucleus '
        '@0.4" has a threshold of its own. Double-click to change.',
    ),
    Column.PHRASES: (
        "Phrases",
        "Other words for the concept, separated by commas; empty: its name. Double-click to "
        "change.",
    ),
    Column.SHARE: ("Share", "Part of the pixels of the shown plane."),
    Column.CONFIDENCE: ("Sure", "Mean confidence of the engine where it suggests this concept."),
    Column.LOCK: ("Lock", "A locked concept keeps its pixels whatever is suggested later."),
}
_EDITABLE = (Column.NAME, Column.PHRASES)
_TICKED = (Column.VISIBLE, Column.LOCK)


class ConceptModel(QAbstractTableModel):
    """Reads and edits a table of concepts; what is refused goes to `refused`."""

    def __init__(self, table: ConceptTable, refused: Callable[[OvsegError], None]) -> None:
        super().__init__()
        self._table = table
        self._refused = refused
        self._statistics = Statistics()
        self._count = len(table)
        table.words_changed.connect(self._renew)
        table.looks_changed.connect(self._repaint)

    def set_statistics(self, statistics: Statistics) -> None:
        self._statistics = statistics
        self._repaint()

    def close(self) -> None:
        self._table.words_changed.disconnect(self._renew)
        self._table.looks_changed.disconnect(self._repaint)

    def rowCount(self, _parent: QModelIndex | None = None) -> int:  # noqa: N802
        return self._count

    def columnCount(self, _parent: QModelIndex | None = None) -> int:  # noqa: N802
        return len(Column)

    def headerData(  # noqa: N802
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        if orientation != Qt.Orientation.Horizontal:
            if role == Qt.ItemDataRole.DisplayRole:
                return str(section + 1)
            return None
        heading, tooltip = _HEADINGS[Column(section)]
        if role == Qt.ItemDataRole.DisplayRole:
            return heading
        return tooltip if role == Qt.ItemDataRole.ToolTipRole else None

    def flags(self, index: QModelIndex) -> Any:
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        column = Column(index.column())
        if column in _EDITABLE:
            flags |= Qt.ItemFlag.ItemIsEditable
        if column in _TICKED:
            flags |= Qt.ItemFlag.ItemIsUserCheckable
        return flags

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid() or index.row() >= len(self._table):
            return None
        column, row = Column(index.column()), self._table.rows[index.row()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            return self._text(column, row, index.row())
        if role == Qt.ItemDataRole.CheckStateRole and column in _TICKED:
            ticked = row.visible if column is Column.VISIBLE else row.locked
            return Qt.CheckState.Checked if ticked else Qt.CheckState.Unchecked
        if role == Qt.ItemDataRole.DecorationRole and column is Column.COLOUR:
            return swatch_of(self._table.colours[index.row()])
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{row.concept}\n{_HEADINGS[column][1]}"
        return None

    def setData(  # noqa: N802
        self, index: QModelIndex, value: Any, role: int = Qt.ItemDataRole.EditRole
    ) -> bool:
        column, row = Column(index.column()), index.row()
        try:
            if role == Qt.ItemDataRole.CheckStateRole and column in _TICKED:
                ticked = Qt.CheckState(value) == Qt.CheckState.Checked
                if column is Column.VISIBLE:
                    self._table.set_visible(row, visible=ticked)
                else:
                    self._table.set_locked(row, locked=ticked)
                return True
            if role == Qt.ItemDataRole.EditRole and column is Column.NAME:
                self._table.set_heading(row, str(value))
                return True
            if role == Qt.ItemDataRole.EditRole and column is Column.PHRASES:
                self._table.set_phrases(row, str(value))
                return True
        except OvsegError as error:
            self._refused(error)
        return False

    def _text(self, column: Column, row: ConceptRow, number: int) -> str | None:
        shares, sure = self._statistics.shares, self._statistics.mean_confidence
        if column is Column.NAME:
            return row.heading
        if column is Column.PHRASES:
            return row.phrases_text
        if column is Column.SHARE and number < len(shares):
            return _percentage(shares[number])
        if column is Column.CONFIDENCE and number < len(sure):
            value = sure[number]
            return "" if value is None else f"{value:.2f}"
        return None

    def _renew(self) -> None:
        if len(self._table) == self._count:
            self._repaint()
            return
        self.beginResetModel()
        self._count = len(self._table)
        self.endResetModel()

    def _repaint(self) -> None:
        if self._count:
            last = self.index(self._count - 1, len(Column) - 1)
            self.dataChanged.emit(self.index(0, 0), last)


def _percentage(share: float) -> str:
    return "" if share == 0 else "< 0.1 %" if share < 0.001 else f"{100 * share:.1f} %"
