"""Controls of magicgui under one another, their labels in one column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtWidgets import QComboBox, QFormLayout, QLabel, QWidget

_CHARACTERS = 8  # that a choice has room for at least


class FormRows(QWidget):
    """Lays out less than a `Container` with labels, which wraps every control in one of its own."""

    def __init__(self, controls: Sequence[Any]) -> None:
        super().__init__()
        self._labels: dict[Any, QLabel] = {}  # by control; the widgets of Qt die with the controls
        rows = QFormLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for control in controls:
            label = self._labels[control] = QLabel(control.label)
            label.setToolTip(control.tooltip)
            if isinstance(control.native, QComboBox):
                _narrow(control.native)
            rows.addRow(label, control.native)

    def show_row(self, control: Any, *, shown: bool) -> None:
        """Show or hide a control and its label."""
        control.native.setVisible(shown)
        self._labels[control].setVisible(shown)


def _narrow(box: QComboBox) -> None:
    """A long choice, such as the name of a layer, must not make the dock wide."""
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(_CHARACTERS)
