"""A piece of drawing, cut into steps between which the window answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from qtpy.QtCore import QObject, QTimer


class TimedSteps(QObject):
    """Takes one step each time the event loop has nothing else to do."""

    def __init__(self, owner: QObject) -> None:
        super().__init__(owner)
        self._steps: Iterator[None] = iter(())
        self._end: Callable[[], None] | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._step)

    def start(self, steps: Iterator[None], end: Callable[[], None]) -> None:
        self._steps, self._end = steps, end
        self._timer.start()

    def stop(self) -> None:
        self._timer.stop()

    def _step(self) -> None:
        try:
            next(self._steps)
        except StopIteration:
            self._timer.stop()
            if self._end is not None:
                self._end()
        except Exception:
            self._timer.stop()  # once is enough: the next step would fail in the same way
            raise
