"""A hand on the mouse and an eye on the screen, for tests with a real napari window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication, QWidget

SCREENSHOTS = Path(__file__).parent / "end_to_end" / "screenshots"


def click(qtbot: QtBot, widget: QWidget) -> None:
    """Press a button that can be pressed."""
    assert widget.isEnabled()
    qtbot.mouseClick(widget, Qt.MouseButton.LeftButton)


def canvas_of(viewer: Any) -> QWidget:
    """The widget that the picture is drawn on; napari has no public name for it."""
    canvas: QWidget = viewer.window._qt_viewer.canvas.native
    return canvas


def stroke(viewer: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw from one place (row, column) of the world to another with the left button."""
    down, move, up = (
        QEvent.Type.MouseButtonPress,
        QEvent.Type.MouseMove,
        QEvent.Type.MouseButtonRelease,
    )
    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    _send(viewer, move, start, none, none)
    _send(viewer, down, start, left, left)
    for share in np.linspace(0, 1, 8):
        row, column = (a + share * (b - a) for a, b in zip(start, end, strict=True))
        _send(viewer, move, (row, column), none, left)
    _send(viewer, up, end, left, none)


def _send(
    viewer: Any,
    kind: QEvent.Type,
    place: tuple[float, float],
    button: Qt.MouseButton,
    held: Qt.MouseButton,
) -> None:
    canvas = canvas_of(viewer)
    centre, zoom = viewer.scene.camera.center[-2:], viewer.scene.camera.zoom
    y = (place[0] - centre[0]) * zoom + canvas.height() / 2
    x = (place[1] - centre[1]) * zoom + canvas.width() / 2
    world = QPointF(canvas.mapToGlobal(QPoint(0, 0))) + QPointF(x, y)
    modifiers = Qt.KeyboardModifier.NoModifier
    event = QMouseEvent(kind, QPointF(x, y), world, button, held, modifiers)
    QApplication.sendEvent(canvas, event)
    QApplication.processEvents()


def keep_picture(viewer: Any, name: str) -> None:
    """For whoever wants to see what the test saw."""
    QApplication.processEvents()
    SCREENSHOTS.mkdir(exist_ok=True)
    shot = viewer.screenshot(canvas_only=False, flash=False)
    PillowImage.fromarray(shot[..., :3]).save(SCREENSHOTS / f"{name}.png")
