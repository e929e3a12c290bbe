"""Notices when a person changes a labels layer; knows no Qt."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from psygnal import Signal


class EditWatch:
    """Tells that a layer changed, and whether by painting or by undo and redo.

    A stroke gives its paint event at its end, undo gives none; both give `set_data`.
    """

    changed: ClassVar[Signal] = Signal()
    label_chosen: ClassVar[Signal] = Signal(int)

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        self.stroking = False  # the mouse button is down
        self._painted = False
        layer.events.paint.connect(self._note_paint)
        layer.events.set_data.connect(self._note_change)
        layer.events.selected_label.connect(self._note_label)
        layer.mouse_drag_callbacks.append(self._note_stroke)

    def take_painted(self) -> bool:
        """Whether anything was painted since this was last asked."""
        painted, self._painted = self._painted, False
        return painted

    def close(self) -> None:
        self.layer.events.paint.disconnect(self._note_paint)
        self.layer.events.set_data.disconnect(self._note_change)
        self.layer.events.selected_label.disconnect(self._note_label)
        if self._note_stroke in self.layer.mouse_drag_callbacks:
            self.layer.mouse_drag_callbacks.remove(self._note_stroke)

    def _note_paint(self, _event: Any) -> None:
        self._painted = True
        self.changed.emit()

    def _note_change(self, _event: Any) -> None:
        self.changed.emit()

    def _note_label(self, _event: Any) -> None:
        self.label_chosen.emit(int(self.layer.selected_label))

    def _note_stroke(self, _layer: Any, event: Any) -> Iterator[None]:
        self.stroking = True
        yield
        while event.type == "mouse_move":
            yield
        self.stroking = False
        self.changed.emit()
