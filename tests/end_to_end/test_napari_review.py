"""A folder reviewed in a real napari with the bundled model, by mouse and keyboard."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli.runner import ovseg
from napari_window import click, keep_picture, stroke
from PIL import Image as PillowImage
from pytestqt.qtbot import QtBot

from napari_plugin.review_dock import ReviewDock
from napari_plugin.review_layers import LABELS
from napari_plugin.review_list import Order
from ovseg_annotate.datasets.scenes import SceneRules, SceneStyle, draw_scene
from ovseg_annotate.formats import native
from ovseg_annotate.geometry import Size
from ovseg_annotate.run_folder import PictureState

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not os.environ.get("DISPLAY"), reason="needs a display; run it under xvfb-run"
    ),
]

WORDS = "nucleus; bacterium; filament; -dark background"
WAIT = 240_000  # ms, for a busy machine


@pytest.fixture
def slides(tmp_path: Path) -> Path:
    folder = tmp_path / "slides"
    folder.mkdir()
    rules = SceneRules(SceneStyle.MICROSCOPY, Size(192, 192), object_scale=2)
    for seed in (1, 2, 3, 6):
        PillowImage.fromarray(draw_scene(rules, seed).pixels).save(folder / f"slide-{seed}.png")
    return folder


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., Any]) -> Any:
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1300, 850)
    return viewer


def opened_dock(viewer: Any, qtbot: QtBot, slides: Path) -> ReviewDock:
    _, dock = viewer.window.add_plugin_dock_widget("ovseg-annotate", "Folder review")
    assert isinstance(dock, ReviewDock)
    with qtbot.waitSignal(dock.shown, timeout=WAIT):
        dock.open([slides])
    return dock


def row_of(dock: ReviewDock, name: str) -> int:
    """The list is in the order of uncertainty, not of the pictures."""
    listed = dock.panel.list_view.model()
    assert listed is not None
    names = [str(listed.index(row, 0).data()) for row in range(listed.rowCount())]
    return names.index(name)


def states(dock: ReviewDock) -> dict[str, PictureState]:
    assert dock.desk is not None
    return {item.picture.name: item.state for item in dock.desk.review.items}


def test_a_folder_is_suggested_corrected_accepted_and_taken_up_again(
    viewer: Any, qtbot: QtBot, slides: Path
) -> None:
    dock = opened_dock(viewer, qtbot, slides)
    keep_picture(viewer, "review-opened")

    qtbot.keyClicks(dock.panel.words_edit, WORDS)
    with qtbot.waitSignal(dock.idle, timeout=WAIT):
        click(qtbot, dock.panel.suggest_button)
        assert dock.panel.cancel_button.isEnabled()
    assert set(states(dock).values()) == {PictureState.SUGGESTED}
    qtbot.waitUntil(lambda: LABELS in viewer.layers, timeout=WAIT)

    dock.panel.order_box.setCurrentText(str(Order.UNCERTAIN))
    with qtbot.waitSignal(dock.shown, timeout=WAIT) as shown:
        dock.panel.choose_row(1)
    (corrected,) = shown.args
    labels = viewer.layers[LABELS]
    before = labels.data.copy()
    dock.panel.concept_box.activated.emit(0)
    with qtbot.waitSignal(dock.saved, timeout=WAIT):
        stroke(viewer, (20, 20), (60, 90))
    assert states(dock)[corrected] is PictureState.CORRECTED
    assert np.count_nonzero(labels.data != before) > 100
    keep_picture(viewer, "review-corrected")

    with qtbot.waitSignal(dock.saved, timeout=WAIT):
        labels.undo()
    assert states(dock)[corrected] is PictureState.SUGGESTED
    assert np.array_equal(labels.data, before)

    stroke(viewer, (20, 20), (60, 90))
    painted = labels.data.copy()
    with qtbot.waitSignal(dock.shown, timeout=WAIT):
        click(qtbot, dock.panel.accept_button)
    assert states(dock)[corrected] is PictureState.ACCEPTED
    keep_picture(viewer, "review-accepted")

    dock.close_review()
    again = opened_dock(viewer, qtbot, slides)
    assert states(again)[corrected] is PictureState.ACCEPTED
    if again.desk.review.position_of(corrected) != again.desk.position:
        with qtbot.waitSignal(again.shown, timeout=WAIT):
            again.panel.choose_row(row_of(again, corrected))
    assert np.array_equal(viewer.layers[LABELS].data, painted)


def test_the_command_line_goes_on_with_the_same_folder(
    viewer: Any, qtbot: QtBot, slides: Path
) -> None:
    dock = opened_dock(viewer, qtbot, slides)
    dock.panel.words_edit.setText(WORDS)
    with qtbot.waitSignal(dock.idle, timeout=WAIT):
        dock.suggest()
    dock.close_review()
    records = sorted((slides.parent / "slides-labels" / "records").iterdir())
    before = [record.read_bytes() for record in records]
    records[0].unlink()
    out = slides.parent / "slides-labels"
    ovseg("annotate", slides, "--prompts", WORDS, "--out", out, "--device", "auto")
    assert [record.read_bytes() for record in records[1:]] == before[1:]
    # Made by the dock or by the command line, the suggestion is the same.
    assert native.read_record(records[0]).image.provenance is not None
    assert records[0].read_bytes() == before[0]
