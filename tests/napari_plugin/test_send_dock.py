"""The dock that sends, on a viewer without a window and to a server that is not there."""

from __future__ import annotations

import numpy as np
import pytest
from annotated_layers import picture
from napari.components import ViewerModel
from napari.utils.notifications import Notification
from pytestqt.qtbot import QtBot

from napari_plugin.export_dialogs import layers_to_export
from napari_plugin.layer_data import layers_of
from napari_plugin.send_dock import SendDock
from ovseg_annotate.errors import FormatError

WAIT = 60_000  # ms, for a busy machine
NOBODY = "http://127.0.0.1:9"  # the port of discard, which refuses


@pytest.fixture
def viewer() -> ViewerModel:
    viewer = ViewerModel()
    viewer.add_image(np.zeros((40, 60, 3), np.uint8), name="photo", rgb=True)
    for data, keywords, kind in layers_of(picture()):
        getattr(viewer, f"add_{kind}")(data, **keywords)
    return viewer


@pytest.fixture
def dock(viewer: ViewerModel, qtbot: QtBot) -> SendDock:
    dock = SendDock(viewer)
    qtbot.addWidget(dock)
    dock.server_edit.setText(NOBODY)
    dock.token_edit.setText("legacy")
    dock.project_box.setValue(7)
    return dock


def test_a_server_that_does_not_answer_is_told_and_the_button_comes_back(
    dock: SendDock, qtbot: QtBot, notices: list[Notification]
) -> None:
    dock.send_button.click()
    assert not dock.send_button.isEnabled()
    qtbot.waitUntil(dock.send_button.isEnabled, timeout=WAIT)
    assert "does not answer" in notices[0].message
    assert dock.state_label.text() == "not sent"


def test_a_project_is_needed(dock: SendDock, notices: list[Notification]) -> None:
    dock.project_box.setValue(0)
    dock.send_button.click()
    assert "name the project" in notices[0].message


def test_the_token_is_not_shown(dock: SendDock) -> None:
    assert "legacy" not in dock.token_edit.displayText()


def test_annotations_of_another_size_than_the_picture_are_told(
    dock: SendDock, viewer: ViewerModel, qtbot: QtBot, notices: list[Notification]
) -> None:
    viewer.layers["photo"].data = np.zeros((20, 20, 3), np.uint8)
    dock.send_button.click()
    qtbot.waitUntil(lambda: bool(notices), timeout=WAIT)
    assert "the picture has 20 x 20 px" in notices[0].message


def test_selected_annotations_go_before_those_of_the_plugin(viewer: ViewerModel) -> None:
    mine = viewer.add_labels(np.ones((40, 60), np.uint8), name="mine")
    viewer.layers.selection = {mine}
    assert [layer[1]["name"] for layer in layers_to_export(viewer)] == ["mine"]
    viewer.layers.selection = set()
    names = [layer[1]["name"] for layer in layers_to_export(viewer)]
    assert names == ["a.png labels", "a.png polygons"]


def test_without_annotations_there_is_nothing_to_export() -> None:
    viewer = ViewerModel()
    viewer.add_image(np.zeros((4, 4)))
    with pytest.raises(FormatError, match="nothing to export"):
        layers_to_export(viewer)
