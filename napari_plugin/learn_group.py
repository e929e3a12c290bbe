"""The part of the dock about learning: what was learnt, which version serves, and back again."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
)

from napari_plugin.answers import Learnt

_AS_IT_CAME = "the model as it came"
_CHARACTERS = 12  # that the list of versions has room for at least


class LearnGroup(QGroupBox):
    """Buttons and words; knows nothing of pictures and sessions."""

    version_chosen = Signal(str)  # name; "" for the model as it came

    def __init__(self) -> None:
        super().__init__("Learn")
        self.learn_button = QPushButton("Learn")
        self.learn_button.setToolTip(
            "Learn from marks and corrections and suggest again, here and in all planes that have "
            "a suggestion. What you painted, accepted or locked stays (Shift+L)."
        )
        self.undo_button = QPushButton("Undo Learn")
        self.undo_button.setToolTip("Suggest again as before the last Learn.")
        self.as_painted_box = QCheckBox("learn as I paint")
        self.as_painted_box.setToolTip("Learn by itself a moment after each stroke.")
        self.version_box = QComboBox()
        self.version_box.setToolTip(
            "What suggests: the model as it came, or a version learnt from corrections, with its "
            "score on corrections that were held back and that of the model before."
        )
        # Long words must not make the dock wide.
        shown = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        self.version_box.setSizeAdjustPolicy(shown)
        self.version_box.setMinimumContentsLength(_CHARACTERS)
        self.version_box.activated.connect(self._choose)
        self.verdict_label = QLabel()
        self.verdict_label.setWordWrap(True)
        self.verdict_label.setToolTip("What the last Learn came to.")
        self._lay_out()
        self.show_learnt(Learnt("", (), ""))

    def set_busy(self, *, busy: bool) -> None:
        for widget in (self.learn_button, self.undo_button, self.version_box):
            widget.setEnabled(not busy)

    def show_learnt(self, learnt: Learnt) -> None:
        """Tell what was learnt, and list the versions there are."""
        self.version_box.clear()
        self.version_box.addItem(_AS_IT_CAME, "")
        for row, version in enumerate(learnt.versions, start=1):
            self.version_box.addItem(version.text, version.name)
            self.version_box.setItemData(row, version.tooltip, Qt.ItemDataRole.ToolTipRole)
        self.version_box.setCurrentIndex(max(self.version_box.findData(learnt.in_service), 0))
        self.verdict_label.setText(learnt.sentence)
        self.verdict_label.setVisible(bool(learnt.sentence))

    def _choose(self, row: int) -> None:
        self.version_chosen.emit(str(self.version_box.itemData(row)))

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        buttons = QHBoxLayout()
        buttons.addWidget(self.learn_button)
        buttons.addWidget(self.undo_button)
        column.addLayout(buttons)
        column.addWidget(self.as_painted_box)
        column.addWidget(self.version_box)
        column.addWidget(self.verdict_label)
