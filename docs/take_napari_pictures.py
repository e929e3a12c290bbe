"""Takes the pictures of napari.md with a real window and the bundled model.

xvfb-run -a -s "-screen 0 1400x1000x24" python docs/take_napari_pictures.py
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
from PIL import Image as PillowImage
from qtpy.QtCore import QEventLoop, QTimer
from qtpy.QtWidgets import QApplication

from napari_plugin.review_layers import LABELS
from ovseg_annotate.datasets.scenes import SceneRules, SceneStyle, draw_scene
from ovseg_annotate.geometry import Size

IMAGES = Path(__file__).parent / "images"
SIDE = 256


def main() -> None:
    viewer = napari.Viewer()
    viewer.window.resize(1400, 950)
    take_segment(viewer)
    take_learn(viewer)
    viewer.window.remove_dock_widget("all")
    with tempfile.TemporaryDirectory() as folder:
        take_review(viewer, Path(folder) / "slides")
    viewer.close()


def take_segment(viewer: Any) -> None:
    viewer.add_image(scene(23), name="slide")
    dock = opened(viewer, "Segment")
    dock.concepts.words_edit.setText("nucleus; cytoplasm")
    finished(dock.finished, dock.segment)
    keep(viewer, "napari-segment")


def take_learn(viewer: Any) -> None:
    """Nuclei that were taken for cytoplasm: those on the left are painted, Learn finds the rest."""
    for layer in viewer.layers:
        layer.visible = False
    dock = viewer.window.dock_widgets["Segment (ovseg-annotate)"]
    near = scene(3, 192)
    pixels = np.hstack([near, near[:, ::-1]])
    dock.picture.layer.value = viewer.add_image(pixels, name="field")
    dock.concepts.words_edit.setText("bacterium; filament")
    finished(dock.finished, dock.segment)
    labels = viewer.layers["field suggestion"]
    labels.data_setitem(np.nonzero((labels.data == 2) & (np.arange(2 * 192) < 192)), 1)
    dock.concepts.choose(0)
    wait_until(lambda: "yours" in dock.panel.corrected_label.text())
    finished(dock.finished, dock.learning.learn)
    bar = dock.panel.verticalScrollBar()
    bar.setValue(bar.maximum())
    viewer.reset_view()
    keep(viewer, "napari-learn")
    dock.close_dock()


def take_review(viewer: Any, folder: Path) -> None:
    viewer.layers.clear()
    folder.mkdir()
    for number, seed in enumerate((23, 16, 9, 15, 31, 10), start=1):
        PillowImage.fromarray(scene(seed)).save(folder / f"slide-{number}.png")
    dock = opened(viewer, "Folder review")
    finished(dock.shown, lambda: dock.open([folder]))
    dock.panel.words_edit.setText("nucleus; cytoplasm; bacterium; filament")
    finished(dock.idle, dock.suggest)
    wait_until(lambda: LABELS in viewer.layers)
    finished(dock.shown, dock.accept)
    finished(dock.shown, lambda: dock.step(1))
    rows, columns = np.mgrid[60:90, 40:120]
    stroke = (rows.ravel(), columns.ravel())
    finished(dock.saved, lambda: viewer.layers[LABELS].data_setitem(stroke, 2))
    finished(dock.shown, lambda: dock.step(-1))
    keep(viewer, "napari-review")
    dock.close_review()


def scene(seed: int, side: int = SIDE) -> Any:
    rules = SceneRules(SceneStyle.MICROSCOPY, Size(side, side), object_scale=2)
    return draw_scene(rules, seed).pixels


def opened(viewer: Any, name: str) -> Any:
    return viewer.window.add_plugin_dock_widget("ovseg-annotate", name)[1]


def finished(signal: Any, act: Callable[[], object]) -> None:
    """Do something and wait until a signal tells of its end."""
    told: list[bool] = []
    signal.connect(lambda *_: told.append(True))
    act()
    wait_until(lambda: bool(told))


def wait_until(reached: Callable[[], bool]) -> None:
    while not reached():
        loop = QEventLoop()
        QTimer.singleShot(20, loop.quit)
        loop.exec()


def keep(viewer: Any, name: str) -> None:
    QApplication.processEvents()
    shot = viewer.screenshot(canvas_only=False, flash=False)
    PillowImage.fromarray(shot[..., :3]).save(IMAGES / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
