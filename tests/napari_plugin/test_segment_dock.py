from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fake_engine import FakeEngine
from napari.components import ViewerModel
from napari.utils.notifications import Notification
from napari_at_once import OneSession, coloured_picture
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QCoreApplication, QPoint, Qt, QTimer
from qtpy.QtGui import QHideEvent
from qtpy.QtWidgets import QAbstractButton, QComboBox, QLineEdit, QSlider, QWidget

from napari_plugin.concept_model import Column
from napari_plugin.pointing_layers import Tool
from napari_plugin.segment_dock import SegmentDock
from ovseg_annotate.vocabulary import Vocabulary

WAIT = 60_000  # ms, for a busy machine


@pytest.fixture
def viewer() -> ViewerModel:
    made = ViewerModel()
    made.add_image(coloured_picture(), name="cells")
    return made


@pytest.fixture
def dock(viewer: ViewerModel, qtbot: QtBot) -> Iterator[SegmentDock]:
    made = SegmentDock(viewer, OneSession(FakeEngine()))
    made.options.contrast.value = "none"
    qtbot.addWidget(made)
    yield made
    qtbot.waitUntil(lambda: made.presenter.idle, timeout=WAIT)


def run(dock: SegmentDock, qtbot: QtBot, words: str = "red; green; blue") -> None:
    with qtbot.waitSignal(dock.finished, timeout=WAIT):
        dock.concepts.words_edit.setText(words)
        qtbot.mouseClick(dock.panel.segment_button, Qt.MouseButton.LeftButton)


def layer(dock: SegmentDock, ending: str) -> object:
    (found,) = [each for each in dock.viewer.layers if each.name.endswith(ending)]
    return found


def test_every_control_has_a_tooltip(dock: SegmentDock) -> None:
    controls = [
        widget
        for kind in (QAbstractButton, QComboBox, QLineEdit)
        for widget in dock.findChildren(kind)
        if not isinstance(widget.parent(), QComboBox)
    ]
    bare = [widget for widget in controls if not _explained(widget, dock)]
    assert len(controls) > 25
    assert [(type(each).__name__, each.objectName()) for each in bare] == []


def _explained(widget: QWidget, dock: SegmentDock) -> bool:
    """A part of a larger control may be explained by the whole."""
    while widget is not dock:
        if widget.toolTip():
            return True
        widget = widget.parentWidget()
    return False


def test_typing_and_pressing_segment_gives_named_layers(dock: SegmentDock, qtbot: QtBot) -> None:
    run(dock, qtbot)
    assert set(np.unique(layer(dock, "suggestion").data)) == {1, 2, 3}
    assert dock.workspace.table.vocabulary == Vocabulary.parse("red; green; blue")
    model = dock.concepts.model
    shares = [model.data(model.index(row, Column.SHARE)) for row in range(3)]
    assert all(share.endswith("%") for share in shares)
    assert dock.panel.segment_button.isEnabled()
    assert not dock.panel.cancel_button.isEnabled()


def test_segment_cannot_be_pressed_twice_and_cancel_can(dock: SegmentDock, qtbot: QtBot) -> None:
    dock.concepts.words_edit.setText("red")
    with qtbot.waitSignal(dock.finished, timeout=WAIT):
        dock.segment()
        assert not dock.panel.segment_button.isEnabled()
        assert dock.panel.cancel_button.isEnabled()


def test_cancel_gives_the_button_back_at_once(dock: SegmentDock, qtbot: QtBot) -> None:
    dock.concepts.words_edit.setText("red")
    dock.segment()
    qtbot.mouseClick(dock.panel.cancel_button, Qt.MouseButton.LeftButton)
    assert dock.panel.segment_button.isEnabled()
    assert dock.panel.status_label.text() == "stopped"
    assert len(dock.viewer.layers) == 1


def test_nothing_typed_is_one_notification_and_nothing_else(
    dock: SegmentDock, notices: list[Notification], qtbot: QtBot
) -> None:
    qtbot.mouseClick(dock.panel.segment_button, Qt.MouseButton.LeftButton)
    assert [notice.message for notice in notices if "press Enter" in notice.message]
    assert len(notices) == 1
    assert len(dock.viewer.layers) == 1


def test_no_picture_is_one_notification(
    dock: SegmentDock, viewer: ViewerModel, notices: list[Notification]
) -> None:
    viewer.layers.clear()
    dock.concepts.words_edit.setText("red")
    dock.segment()
    assert ["there is no picture" in notice.message for notice in notices] == [True]


def test_moving_the_threshold_is_seen_without_pressing_anything(
    dock: SegmentDock, qtbot: QtBot
) -> None:
    run(dock, qtbot)
    windows = dock.presenter._suggestor._sessions.engine.encoded_windows
    with qtbot.waitSignal(dock.finished, timeout=WAIT):
        dock.options.threshold.value = 1.0
    assert not dock.options.own_threshold.value
    assert np.mean(layer(dock, "suggestion").data == 0) > 0.05
    assert dock.presenter._suggestor._sessions.engine.encoded_windows == windows


def test_a_click_beside_the_handle_moves_the_threshold(dock: SegmentDock, qtbot: QtBot) -> None:
    dock.options.threshold.value = 0.1
    slider = dock.options.threshold.native.findChild(QSlider)
    qtbot.keyClick(slider, Qt.Key.Key_PageUp)
    assert dock.options.threshold.value == pytest.approx(0.15)


def test_the_slider_shows_the_threshold_that_the_model_brought(
    dock: SegmentDock, qtbot: QtBot
) -> None:
    run(dock, qtbot)
    assert dock.options.own_threshold.value
    assert dock.options.threshold.value == 0.0


def test_words_edited_in_the_table_are_seen(dock: SegmentDock, qtbot: QtBot) -> None:
    run(dock, qtbot)
    model = dock.concepts.model
    with qtbot.waitSignal(dock.finished, timeout=WAIT):
        assert model.setData(model.index(1, Column.PHRASES), "white", Qt.ItemDataRole.EditRole)
    assert not (layer(dock, "suggestion").data == 2).any()


def test_a_refused_edit_is_told_and_changes_nothing(
    dock: SegmentDock, qtbot: QtBot, notices: list[Notification]
) -> None:
    run(dock, qtbot)
    model = dock.concepts.model
    assert not model.setData(model.index(1, Column.NAME), "red", Qt.ItemDataRole.EditRole)
    assert "stands twice" in notices[-1].message
    assert model.data(model.index(1, Column.NAME)) == "green"


def test_a_row_chooses_the_label_of_the_brush_and_the_brush_the_row(
    dock: SegmentDock, qtbot: QtBot
) -> None:
    run(dock, qtbot)
    dock.concepts.choose(2)
    labels = layer(dock, "suggestion")
    assert labels.selected_label == 3
    labels.selected_label = 2
    assert dock.concepts.row == 1


def test_shift_and_a_letter_choose_a_concept(
    dock: SegmentDock, viewer: ViewerModel, qtbot: QtBot
) -> None:
    run(dock, qtbot)
    bound = {str(key): action for key, action in viewer.keymap.items()}
    for letter, row in (("E", 2), ("Q", 0), ("W", 1)):
        next(action for key, action in bound.items() if key.endswith(f"Shift+{letter}"))(viewer)
        assert dock.concepts.row == row


def test_keys_are_given_back_when_the_dock_closes(dock: SegmentDock, viewer: ViewerModel) -> None:
    assert viewer.keymap
    dock.close()
    assert not viewer.keymap


def test_an_only_image_is_the_picture_and_our_maps_are_not(dock: SegmentDock, qtbot: QtBot) -> None:
    run(dock, qtbot)
    assert [each.name for each in dock.picture.layer.choices if each is not None] == ["cells"]
    assert dock.picture.layer.value.name == "cells"


def test_the_chosen_picture_stays_chosen_when_others_come(
    dock: SegmentDock, viewer: ViewerModel
) -> None:
    viewer.add_image(np.zeros((3, 9, 9)), name="stack")
    assert dock.picture.layer.value.name == "cells"
    dock.picture.layer.value = viewer.layers["stack"]
    assert [text for text in dock.picture.channels.choices if text == 0] == [0]


def test_only_what_a_picture_has_is_asked_for(dock: SegmentDock, viewer: ViewerModel) -> None:
    form = dock.picture
    assert [form.channels.native.isHidden(), form.planes.native.isHidden()] == [True, True]
    form.layer.value = viewer.add_image(np.zeros((3, 9, 9)), name="stack")
    assert [form.channels.native.isHidden(), form.planes.native.isHidden()] == [False, False]
    form.channels.value = 0  # the only axis counts channels: nothing is left to be a stack
    assert [form.numbers.native.isHidden(), form.planes.native.isHidden()] == [False, True]


def test_nothing_moves_when_a_run_begins_and_ends(dock: SegmentDock) -> None:
    dock.resize(400, 900)
    dock.show()
    QCoreApplication.processEvents()
    before = dock.options.rows.mapTo(dock.panel.widget(), QPoint(0, 0))
    dock.panel.set_busy(busy=True)
    QCoreApplication.processEvents()
    assert dock.panel.progress.isVisible()
    assert dock.options.rows.mapTo(dock.panel.widget(), QPoint(0, 0)) == before
    dock.panel.set_busy(busy=False)


def test_names_go_before_phrases_in_a_narrow_dock(dock: SegmentDock) -> None:
    dock.show()
    for width, hidden in ((340, True), (600, False)):
        dock.resize(width, 800)
        QCoreApplication.processEvents()
        assert dock.concepts.view.isColumnHidden(Column.PHRASES) is hidden


def test_a_stroke_is_taken_in_and_counted(dock: SegmentDock, qtbot: QtBot) -> None:
    run(dock, qtbot)
    labels = layer(dock, "suggestion")
    labels.data_setitem((np.arange(10), np.arange(10)), 2)
    qtbot.waitUntil(
        lambda: dock.panel.corrected_label.text() == "10 pixels are yours", timeout=WAIT
    )
    labels.undo()
    qtbot.waitUntil(lambda: dock.panel.corrected_label.text() == "", timeout=WAIT)


def test_removing_a_concept_with_a_persons_pixels_asks_first(
    dock: SegmentDock, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(dock, qtbot)
    layer(dock, "suggestion").data_setitem((np.arange(10), np.arange(10)), 2)
    asked: list[str] = []
    monkeypatch.setattr(dock.concepts, "_confirmed", lambda text: asked.append(text) or False)
    dock.concepts.choose(1)
    qtbot.mouseClick(dock.concepts.remove_button, Qt.MouseButton.LeftButton)
    assert "10 pixels of 'green'" in asked[0]
    assert len(dock.workspace.table) == 3


def test_accepting_says_how_much(dock: SegmentDock, qtbot: QtBot) -> None:
    run(dock, qtbot)
    qtbot.mouseClick(dock.panel.accept_all_button, Qt.MouseButton.LeftButton)
    assert dock.panel.status_label.text() == "4,096 pixels accepted"
    assert layer(dock, "accepted").data.all()


def test_a_tool_button_makes_its_layer_ready(dock: SegmentDock, qtbot: QtBot) -> None:
    dock.concepts.words_edit.setText("red; green")
    dock.concepts.add()
    dock.concepts.choose(1)
    qtbot.mouseClick(dock.panel.tool_buttons[Tool.SCRIBBLE], Qt.MouseButton.LeftButton)
    scribbles = layer(dock, "scribbles")
    assert (scribbles.mode, scribbles.selected_label) == ("paint", 2)


def test_words_come_from_and_go_to_files(
    dock: SegmentDock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    path = tmp_path / "words.yaml"
    path.write_text("concepts:\n- name: red\n- name: leaf\n  phrases: [green]\n")
    monkeypatch.setattr(
        "napari_plugin.concept_panel.QFileDialog.getOpenFileName", lambda *_: (str(path), "")
    )
    dock.concepts.read_action.trigger()
    assert dock.workspace.table.vocabulary.names == ("red", "leaf")


def test_the_dock_fits_a_small_screen_by_scrolling(dock: SegmentDock) -> None:
    assert dock.minimumSizeHint().height() < 300
    assert dock.panel.minimumSizeHint().height() < 300


def test_every_timer_goes_with_its_dock(dock: SegmentDock) -> None:
    """One that outlives its dock, or goes first, fails when the program ends."""
    held = [dock._live_timer, dock._settle_timer, dock._steps._timer, dock._progress._timer]
    held.append(dock.learning._timer)
    assert set(map(id, held)) <= {id(timer) for timer in dock.findChildren(QTimer)}


def test_closing_the_window_stops_a_run_and_making_it_an_icon_does_not(
    dock: SegmentDock, qtbot: QtBot
) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    dock.setParent(window)
    window.show()
    dock.show()
    dock._live_timer.setInterval(10**6)
    dock._live_timer.start()
    dock.eventFilter(window, _Spontaneous())
    assert dock._live_timer.isActive()
    QCoreApplication.sendEvent(window, QHideEvent())
    assert not dock._live_timer.isActive()
    dock.setParent(None)


class _Spontaneous(QHideEvent):
    """What a window system sends; Qt lets nobody make one."""

    def spontaneous(self) -> bool:
        return True


def test_pointing_with_a_model_that_cannot_is_refused_at_once(
    dock: SegmentDock, qtbot: QtBot, notices: list[Notification]
) -> None:
    run(dock, qtbot)
    qtbot.mouseClick(dock.panel.tool_buttons[Tool.SCRIBBLE], Qt.MouseButton.LeftButton)
    assert "cannot be pointed with" in notices[-1].message
    assert not any(each.name.endswith("scribbles") for each in dock.viewer.layers)


def test_another_model_is_used_from_the_next_run_on(dock: SegmentDock) -> None:
    dock.panel.model_box.choose("clearclip@mini")
    assert dock.panel.status_label.text() == "press Segment to use clearclip@mini"
    assert dock.presenter._preferences().model == "clearclip@mini"
    dock.panel.model_box.choose("naclip@mini")
