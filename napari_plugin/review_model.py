"""The list of pictures for Qt: rows are read as they come into sight, so length costs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from qtpy.QtCore import QAbstractListModel, QModelIndex, Qt

from napari_plugin.review_list import Arrangement
from napari_plugin.review_state import Review
from napari_plugin.swatches import swatch_of
from ovseg_annotate.run_folder import PictureState
from ovseg_annotate.vocabulary import Colour

_COLOURS: Mapping[PictureState, Colour] = MappingProxyType(
    {
        PictureState.NEW: (158, 158, 158),
        PictureState.SUGGESTED: (66, 165, 245),
        PictureState.CORRECTED: (255, 167, 38),
        PictureState.ACCEPTED: (102, 187, 106),
    }
)


class ReviewModel(QAbstractListModel):
    """The pictures of a review in an arrangement, which stands still until it is asked for anew."""

    def __init__(self) -> None:
        super().__init__()
        self._review: Review | None = None
        self._positions: tuple[int, ...] = ()
        self._rows: dict[int, int] = {}
        self._dots = {state: swatch_of(colour) for state, colour in _COLOURS.items()}

    def arrange(self, review: Review | None, arrangement: Arrangement) -> None:
        """Show these pictures in this way."""
        self.beginResetModel()
        self._review = review
        self._positions = () if review is None else review.arranged(arrangement)
        self._rows = {position: row for row, position in enumerate(self._positions)}
        self.endResetModel()

    def position_at(self, row: int) -> int | None:
        """The picture of a row; None for a row that is not there."""
        return self._positions[row] if 0 <= row < len(self._positions) else None

    def row_of(self, position: int) -> int | None:
        return self._rows.get(position)

    def tell_changed(self, position: int) -> None:
        """The picture's state is another one; its row stays where it is."""
        row = self._rows.get(position)
        if row is not None:
            index = self.index(row)
            self.dataChanged.emit(index, index)

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802  Qt's name
        return len(self._positions)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        position = self.position_at(index.row())
        if self._review is None or position is None:
            return None
        item = self._review.items[position]
        if role == Qt.ItemDataRole.DisplayRole:
            return item.picture.name
        if role == Qt.ItemDataRole.DecorationRole:
            return self._dots[item.state]
        if role == Qt.ItemDataRole.ToolTipRole:
            margin = item.standing.margin
            sure = "" if margin is None else f", mean margin {margin:.2f}"
            why = f"\n{item.reason}" if item.reason else ""
            return f"{item.picture.path}\n{item.state}{sure}{why}"
        return None
