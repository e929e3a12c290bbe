"""The Segment dock in a real napari with the bundled model, by mouse and keyboard."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli.runner import ovseg
from napari.utils.notifications import Notification, NotificationSeverity, notification_manager
from napari_window import canvas_of, click, keep_picture, stroke
from PIL import Image as PillowImage
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QSlider

from napari_plugin.export_kinds import ExportKind
from napari_plugin.segment_dock import SegmentDock
from ovseg_annotate.datasets.scenes import SceneRules, SceneStyle, draw_scene
from ovseg_annotate.formats import coco, native
from ovseg_annotate.geometry import Size
from ovseg_annotate.regions import labels_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not os.environ.get("DISPLAY"), reason="needs a display; run it under xvfb-run"
    ),
]

WORDS = "nucleus; bacterium; filament; -dark background"
WAIT = 240_000  # ms, for a busy machine
SIZE = 192


@pytest.fixture
def slide(tmp_path: Path) -> Path:
    rules = SceneRules(SceneStyle.MICROSCOPY, Size(SIZE, SIZE), object_scale=2)
    path = tmp_path / "slide.png"
    PillowImage.fromarray(draw_scene(rules, 5).pixels).save(path)
    return path


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., Any], slide: Path) -> Any:
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1400, 950)
    viewer.open(slide, plugin="napari")
    return viewer


@pytest.fixture
def dock(viewer: Any) -> SegmentDock:
    _, made = viewer.window.add_plugin_dock_widget("ovseg-annotate", "Segment")
    assert isinstance(made, SegmentDock)
    return made


@pytest.fixture(autouse=True)
def _no_errors() -> Any:
    """A person who does everything right sees no error."""
    shown: list[Notification] = []
    notification_manager.notification_ready.connect(shown.append)
    yield
    notification_manager.notification_ready.disconnect(shown.append)
    bad = [each.message for each in shown if each.severity >= NotificationSeverity.ERROR]
    assert bad == []


def type_and_segment(dock: SegmentDock, qtbot: QtBot) -> None:
    qtbot.keyClicks(dock.concepts.words_edit, WORDS)
    qtbot.keyClick(dock.concepts.words_edit, Qt.Key.Key_Return)
    with qtbot.waitSignal(dock.finished, timeout=WAIT):
        click(qtbot, dock.panel.segment_button)


def named(viewer: Any, ending: str) -> Any:
    (found,) = [layer for layer in viewer.layers if layer.name.endswith(ending)]
    return found


def test_words_are_typed_looked_at_corrected_accepted_and_exported(
    viewer: Any, dock: SegmentDock, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_picture(viewer, "segment-opened")
    type_and_segment(dock, qtbot)
    labels = named(viewer, "suggestion")
    before = labels.data.copy()
    assert np.mean(before == 1) > 0.01
    assert len(named(viewer, "polygons").data) > 1
    keep_picture(viewer, "segment-suggested")

    slider = dock.options.threshold.native.findChild(QSlider)
    with qtbot.waitSignal(dock.finished, timeout=WAIT):
        qtbot.keyClick(slider, Qt.Key.Key_PageUp)
        qtbot.keyClick(slider, Qt.Key.Key_PageUp)
        qtbot.keyClick(slider, Qt.Key.Key_PageUp)
        qtbot.keyClick(slider, Qt.Key.Key_PageUp)
    assert dock.options.threshold.value > 0.1
    assert np.count_nonzero(labels.data) <= np.count_nonzero(before)
    before = labels.data.copy()

    qtbot.keyClick(canvas_of(viewer), Qt.Key.Key_W, Qt.KeyboardModifier.ShiftModifier)
    assert dock.concepts.row == 1
    assert labels.selected_label == 2
    labels.mode = "paint"
    with qtbot.waitSignal(dock.finished, timeout=WAIT):
        stroke(viewer, (20, 20), (60, 90))
    assert np.count_nonzero((labels.data == 2) & (before != 2)) > 100
    assert "pixels are yours" in dock.panel.corrected_label.text()
    keep_picture(viewer, "segment-painted")

    with qtbot.waitSignal(dock.finished, timeout=WAIT):
        qtbot.keyClick(canvas_of(viewer), Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert np.array_equal(labels.data, before)
    assert dock.panel.corrected_label.text() == ""

    stroke(viewer, (20, 20), (60, 90))
    qtbot.waitUntil(lambda: "yours" in dock.panel.corrected_label.text(), timeout=WAIT)
    click(qtbot, dock.panel.accept_all_button)
    assert np.array_equal(named(viewer, "accepted").data, labels.data)

    path = tmp_path / "slide.coco.json"
    monkeypatch.setattr("qtpy.QtWidgets.QFileDialog.getSaveFileName", lambda *_: (str(path), ""))
    with qtbot.waitSignal(dock.finished, timeout=WAIT):
        dock.panel.export_actions[ExportKind.COCO].trigger()
    (image,) = coco.read(path)
    assert image.name == "slide.png"
    assert {"nucleus", "bacterium"} <= {region.concept for region in image.regions}
    keep_picture(viewer, "segment-accepted")


def test_a_scribble_teaches_and_is_forgotten_again(
    viewer: Any, dock: SegmentDock, qtbot: QtBot
) -> None:
    type_and_segment(dock, qtbot)
    labels = named(viewer, "suggestion")
    before = labels.data.copy()
    row, column = np.argwhere(before == 1)[0]
    dock.concepts.choose(1)
    click(qtbot, next(iter(dock.panel.tool_buttons.values())))
    stroke(viewer, (row + 2, column), (row + 6, column + 2))
    assert (named(viewer, "scribbles").data == 2).any()
    with qtbot.waitSignal(dock.finished, timeout=WAIT):
        click(qtbot, dock.panel.learning.learn_button)
    keep_picture(viewer, "segment-learnt")
    assert np.count_nonzero(labels.data == 2) > np.count_nonzero(before == 2)
    with qtbot.waitSignal(dock.finished, timeout=WAIT):
        click(qtbot, dock.panel.learning.undo_button)
    assert np.array_equal(labels.data, before)


def test_a_painted_correction_changes_the_far_side_and_undo_brings_it_back(
    viewer: Any, dock: SegmentDock, qtbot: QtBot
) -> None:
    rules = SceneRules(SceneStyle.MICROSCOPY, Size(SIZE, SIZE), object_scale=2)
    near = draw_scene(rules, 3).pixels
    viewer.layers.clear()
    viewer.add_image(np.hstack([near, near[:, ::-1]]), name="mirrored")
    qtbot.keyClicks(dock.concepts.words_edit, "nucleus; bacterium; filament; cytoplasm")
    with qtbot.waitSignal(dock.finished, timeout=WAIT):
        click(qtbot, dock.panel.segment_button)
    labels = named(viewer, "suggestion")
    far = np.s_[:, SIZE:]
    before = labels.data[far].copy()
    assert np.count_nonzero(before == 4) > 1000  # nuclei, but it calls them cytoplasm

    dock.concepts.choose(0)
    labels.mode, labels.brush_size = "paint", 12
    nuclei = labels.data[:, : SIZE - 8] == 4
    for row in range(8, SIZE, 12):
        edges = np.flatnonzero(np.diff(nuclei[row], prepend=False, append=False))
        for start, end in edges.reshape(-1, 2).tolist():
            stroke(viewer, (row, start + 6), (row, max(end - 7, start + 6)))
    qtbot.waitUntil(lambda: "yours" in dock.panel.corrected_label.text(), timeout=WAIT)
    painted = labels.data.copy()
    keep_picture(viewer, "learn-painted")

    with qtbot.waitSignal(dock.finished, timeout=WAIT):
        click(qtbot, dock.panel.learning.learn_button)
    keep_picture(viewer, "learn-learnt")
    assert "better" in dock.panel.learning.verdict_label.text()
    changed = np.count_nonzero((labels.data[far] == 1) & (before == 4))
    assert changed > 0.5 * np.count_nonzero(before == 4)
    own = painted == 1
    assert (labels.data[own] == 1).all()

    with qtbot.waitSignal(dock.finished, timeout=WAIT):
        click(qtbot, dock.panel.learning.undo_button)
    assert np.array_equal(labels.data[far], before)
    assert np.array_equal(labels.data, painted)
    assert dock.panel.learning.version_box.currentData() == ""


def test_the_pixels_are_those_of_the_command_line(
    viewer: Any, dock: SegmentDock, qtbot: QtBot, slide: Path, tmp_path: Path
) -> None:
    type_and_segment(dock, qtbot)
    out = tmp_path / "labels"
    ovseg("annotate", slide, "--prompts", WORDS, "--out", out, "--device", "auto")
    (record,) = sorted((out / "records").iterdir())
    made = native.read_record(record).image
    labels = named(viewer, "suggestion")
    assert np.array_equal(labels.data, labels_of(made))
    assert made.provenance is not None
    told = labels.metadata["ovseg"]["provenance"]
    assert told == made.provenance.as_plain() | {"image": told["image"]}  # a layer, not a file


def test_a_picture_removed_during_its_run_leaves_nothing_behind(
    viewer: Any, dock: SegmentDock, qtbot: QtBot
) -> None:
    qtbot.keyClicks(dock.concepts.words_edit, WORDS)
    with qtbot.waitSignal(dock.finished, timeout=WAIT):
        click(qtbot, dock.panel.segment_button)
        viewer.layers.clear()
    assert len(viewer.layers) == 0
    assert dock.panel.segment_button.isEnabled()


def test_the_dock_can_be_read_in_the_light_theme_and_on_a_small_screen(
    viewer: Any, dock: SegmentDock, qtbot: QtBot
) -> None:
    type_and_segment(dock, qtbot)
    viewer.theme = "light"
    viewer.window.resize(1024, 640)
    keep_picture(viewer, "segment-light")
    assert dock.height() < 640
    bar = dock.panel.verticalScrollBar()
    assert bar.maximum() > 0
    bar.setValue(bar.maximum())
    keep_picture(viewer, "segment-light-end")
