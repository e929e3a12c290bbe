"""What the Segment dock looks like; it knows nothing of pictures and sessions."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import (
    QComboBox,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QMenu,
    QProgressBar,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from napari_plugin.accepting import Preserve
from napari_plugin.export_kinds import ExportKind
from napari_plugin.learn_group import LearnGroup
from napari_plugin.model_box import ModelBox
from napari_plugin.monitor import Report
from napari_plugin.pointing_layers import Tool
from napari_plugin.scrolled_column import ScrolledColumn

_PRESERVE = (
    (Preserve.PIXELS, "keep accepted pixels"),
    (Preserve.OBJECTS, "keep accepted objects whole"),
    (Preserve.NOTHING, "replace what was accepted"),
)
_TOOLS = {
    Tool.SCRIBBLE: ("Scribble", "Paint over examples of the chosen concept."),
    Tool.POINT: ("Points", "Click on examples of the chosen concept, or on what it is not."),
    Tool.BOX: ("Boxes", "Draw boxes around examples of the chosen concept."),
}
_PROGRESS_WIDTH = 120  # px
_SHORTCUTS = (
    "<b>Keys</b><br>Shift+Q W E R T Y U I O P: concepts 1 to 10<br>Shift+A: accept the concept"
    "<br>Shift+N: next place in doubt<br>Shift+L: learn<br>Ctrl+Z: undo in the chosen layer"
)


class SegmentPanel(ScrolledColumn):
    """The controls from top to bottom."""

    def __init__(self, picture: QWidget, concepts: QWidget, options: QWidget) -> None:
        super().__init__()
        self.model_box = ModelBox()
        self.segment_button = _button("Segment", "Suggest labels for the picture (first time: "
                                      "opens the model).")  # fmt: skip
        self.cancel_button = _button("Cancel", "Stop; what is shown stays.")
        self.progress = QProgressBar()
        self.progress.setToolTip("How far the run is.")
        self.progress.setFixedWidth(_PROGRESS_WIDTH)
        kept = self.progress.sizePolicy()
        kept.setRetainSizeWhenHidden(True)  # nothing below moves when a run begins or ends
        self.progress.setSizePolicy(kept)
        self.status_label = _label("")
        self.tool_buttons = {tool: _button(*texts) for tool, texts in _TOOLS.items()}
        self.positive_box = QRadioButton("is the concept")
        self.positive_box.setToolTip("Points and boxes show what belongs to the concept.")
        self.positive_box.setChecked(True)
        self.negative_box = QRadioButton("is not")
        self.negative_box.setToolTip("Points and boxes show what does not belong to it.")
        self.learning = LearnGroup()
        self.corrected_label = _label("")
        self.accept_button = _button("Accept concept", "Copy the chosen concept to the accepted "
                                     "layer, which no suggestion changes.")  # fmt: skip
        self.accept_all_button = _button("Accept all", "Copy all concepts to the accepted layer.")
        self.preserve_box = QComboBox()
        self.preserve_box.setToolTip("What happens where something is accepted already.")
        for value, text in _PRESERVE:
            self.preserve_box.addItem(text, value)
        self.discard_button = _button("Discard mine", "Show the suggestion where you corrected "
                                      "this plane; Ctrl+Z brings yours back.")  # fmt: skip
        self.uncertain_button = _button("Next place", "Go to what is most in doubt in this plane, "
                                        "then to the next such place (Shift+N).")  # fmt: skip
        self.export_button = _button(
            "Export annotations", "Write what stands in the layers to a file."
        )
        self.export_actions = self._made_menu()
        self._reported = False  # the line below the progress bar is about a run
        self._lay_out(picture, concepts, options)
        self.set_busy(busy=False)

    def set_busy(self, *, busy: bool) -> None:
        self.segment_button.setEnabled(not busy)
        self.learning.set_busy(busy=busy)
        self.cancel_button.setEnabled(busy)
        self.progress.setVisible(busy)

    def show_report(self, report: Report) -> None:
        self.progress.setMaximum(report.total)  # 0: a bar that only moves
        self.progress.setValue(report.done)
        self.say(report.text)
        self._reported = True

    def show_end(self) -> None:
        self.progress.setVisible(False)
        if self._reported:  # what was said meanwhile stays
            self.say("done")

    def show_corrected(self, pixels: int) -> None:
        self.corrected_label.setText(f"{pixels:,} pixels are yours" if pixels else "")

    def say(self, text: str) -> None:
        self._reported = False
        self.status_label.setText(text)

    def _made_menu(self) -> dict[ExportKind, Any]:
        menu = QMenu(self.export_button)
        actions = {kind: menu.addAction(str(kind)) for kind in ExportKind}
        self.export_button.setMenu(menu)
        return actions

    def _lay_out(self, picture: QWidget, concepts: QWidget, options: QWidget) -> None:
        content = QWidget()
        column = QVBoxLayout(content)
        column.addWidget(picture)
        column.addWidget(concepts)
        model = _row(QLabel("Model"), self.model_box)
        model.setStretch(1, 1)
        column.addLayout(model)
        column.addLayout(_row(self.segment_button, self.cancel_button))
        told = _row(self.status_label, self.progress)
        told.setStretch(0, 1)
        column.addLayout(told)
        column.addWidget(_group("Options, seen at once", options))
        column.addWidget(
            _group(
                "Show what you mean",
                _row(*self.tool_buttons.values()),
                _row(self.positive_box, self.negative_box),
            )
        )
        column.addWidget(self.learning)
        column.addWidget(
            _group(
                "Correct and accept",
                self.corrected_label,
                _row(self.uncertain_button, self.discard_button),
                self.preserve_box,
                _row(self.accept_button, self.accept_all_button),
                self.export_button,
            )
        )
        column.addWidget(_label(_SHORTCUTS))
        column.addStretch(1)
        self.show_contents(content)


def _button(text: str, tooltip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tooltip)
    return button


def _label(text: str) -> QLabel:
    label = QLabel(text)
    label.setWordWrap(True)
    return label


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    for widget in widgets:
        row.addWidget(widget)
    return row


def _group(title: str, *parts: Any) -> QGroupBox:
    group = QGroupBox(title)
    column = QVBoxLayout(group)
    for part in parts:
        if isinstance(part, QWidget):
            column.addWidget(part)
        else:
            column.addLayout(part)
    return group
