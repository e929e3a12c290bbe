"""The learning part of the Segment dock: its buttons, its list of versions, and as I paint."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.notifications import Notification
from napari_at_once import OneSession
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from vector_engine import VectorEngine

from napari_plugin.preferences import Preferences
from napari_plugin.segment_dock import SegmentDock
from ovseg_annotate.learning_loop.journal import FILE_NAME
from ovseg_annotate.learning_loop.project import Project

WAIT = 60_000  # ms, for a busy machine
SQUARES = [(row, column) for row in (8, 40, 72) for column in range(8, 192, 32)]


@pytest.fixture
def dock(qtbot: QtBot) -> Iterator[SegmentDock]:
    """Yellow squares on blue: a little more red than green, says the engine."""
    pixels = np.zeros((96, 192, 3), np.uint8)
    pixels[..., 2] = 255
    for row, column in SQUARES:
        pixels[row : row + 16, column : column + 16] = (255, 230, 0)
    viewer = ViewerModel()
    viewer.add_image(pixels, name="field")
    made = SegmentDock(viewer, OneSession(VectorEngine()))
    made.options.contrast.value = "none"
    qtbot.addWidget(made)
    with qtbot.waitSignal(made.finished, timeout=WAIT):
        made.concepts.words_edit.setText("green; red; blue")
        made.segment()
    yield made
    qtbot.waitUntil(lambda: made.presenter.idle, timeout=WAIT)


def labels(dock: SegmentDock) -> Any:
    (layer,) = [each for each in dock.viewer.layers if each.name.endswith("suggestion")]
    return layer


def paint_on_the_left(dock: SegmentDock) -> None:
    """One stroke over all squares of the left half."""
    layer = labels(dock)
    with layer.block_history():
        for row, column in SQUARES:
            if column < 96:
                rows, columns = np.mgrid[row : row + 16, column : column + 16]
                layer.data_setitem((rows.ravel(), columns.ravel()), 1)


def press(qtbot: QtBot, dock: SegmentDock, button: Any) -> None:
    with qtbot.waitSignal(dock.finished, timeout=WAIT):
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def test_learn_tells_what_it_came_to_and_undo_goes_back(dock: SegmentDock, qtbot: QtBot) -> None:
    before = labels(dock).data.copy()
    paint_on_the_left(dock)
    press(qtbot, dock, dock.panel.learning.learn_button)
    assert "better" in dock.panel.learning.verdict_label.text()
    assert np.count_nonzero(labels(dock).data[:, 96:] == 1) > 500
    assert dock.panel.learning.version_box.currentData().startswith("v1-")
    press(qtbot, dock, dock.panel.learning.undo_button)
    assert np.array_equal(labels(dock).data[:, 96:], before[:, 96:])
    assert dock.panel.learning.version_box.currentData() == ""
    assert dock.panel.learning.version_box.count() == 2


def test_cancel_stops_learning_and_what_was_in_service_stays(
    dock: SegmentDock, qtbot: QtBot
) -> None:
    before = labels(dock).data.copy()
    paint_on_the_left(dock)
    with qtbot.waitSignal(dock.finished, timeout=WAIT):
        qtbot.mouseClick(dock.panel.learning.learn_button, Qt.MouseButton.LeftButton)
        assert dock.presenter.learns
        qtbot.mouseClick(dock.panel.cancel_button, Qt.MouseButton.LeftButton)
    assert dock.panel.learning.version_box.count() == 1
    assert np.array_equal(labels(dock).data[:, 96:], before[:, 96:])
    press(qtbot, dock, dock.panel.learning.learn_button)
    assert "better" in dock.panel.learning.verdict_label.text()


def test_closing_the_dock_stops_learning_and_leaves_the_folder_as_it_was_and_free(
    dock: SegmentDock, qtbot: QtBot, tmp_path: Path
) -> None:
    preferences = replace(Preferences(), learning_folder=tmp_path)
    dock.presenter._preferences = lambda: preferences
    paint_on_the_left(dock)
    qtbot.mouseClick(dock.panel.learning.learn_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "learning from corrections" in str(dock.presenter.report), timeout=WAIT)
    dock.close_dock()
    assert not list(tmp_path.rglob("*.lesson"))
    (journal,) = tmp_path.rglob(FILE_NAME)
    with Project(journal.parent) as project:
        assert len(project.journal) == 1


def test_a_version_is_chosen_from_the_list(dock: SegmentDock, qtbot: QtBot) -> None:
    paint_on_the_left(dock)
    press(qtbot, dock, dock.panel.learning.learn_button)
    learnt = labels(dock).data.copy()
    for row, same in ((0, False), (1, True)):
        with qtbot.waitSignal(dock.finished, timeout=WAIT):
            dock.panel.learning.version_box.activated.emit(row)
        assert np.array_equal(labels(dock).data, learnt) is same


def test_learning_as_i_paint_needs_no_button(dock: SegmentDock, qtbot: QtBot) -> None:
    dock.panel.learning.as_painted_box.setChecked(True)
    paint_on_the_left(dock)
    box = dock.panel.learning.version_box
    qtbot.waitUntil(lambda: str(box.currentData()).startswith("v1-"), timeout=WAIT)
    qtbot.waitUntil(lambda: dock.presenter.idle, timeout=WAIT)
    assert np.count_nonzero(labels(dock).data[:, 96:] == 1) > 500
    assert not dock.learning._timer.isActive()  # what was learnt is no stroke


def test_without_the_tick_a_stroke_is_not_learnt_from(dock: SegmentDock, qtbot: QtBot) -> None:
    paint_on_the_left(dock)
    qtbot.waitUntil(lambda: "yours" in dock.panel.corrected_label.text(), timeout=WAIT)
    assert not dock.learning._timer.isActive()


def test_undo_before_anything_was_learnt_says_what_to_do(
    dock: SegmentDock, qtbot: QtBot, notices: list[Notification]
) -> None:
    qtbot.mouseClick(dock.panel.learning.undo_button, Qt.MouseButton.LeftButton)
    assert "press Learn first" in notices[-1].message


def test_a_moved_threshold_does_not_cut_learning_short(dock: SegmentDock, qtbot: QtBot) -> None:
    paint_on_the_left(dock)
    with qtbot.waitSignal(dock.finished, timeout=WAIT):
        dock.learning.learn()
        dock._started = 0.0  # long ago
        dock.options.threshold.value = 0.2
    assert dock.panel.learning.version_box.count() == 2
