"""Controls from top to bottom that scroll where the screen is too small for them."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtWidgets import QScrollArea, QWidget

_USUAL_WIDTH = 440  # px
_SMALL_SCREEN = 1200  # px; there, the picture needs the room more


class ScrolledColumn(QScrollArea):
    """Scrolls down but never sideways: what would be cut off on the right is never found."""

    def show_contents(self, contents: QWidget) -> None:
        self.setWidget(contents)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()  # the contents became wider, as when a theme styles them
        return super().eventFilter(watched, event)

    def minimumSizeHint(self) -> QSize:  # noqa: N802  Qt's name
        """Wide enough for the contents, with room for the bar that scrolls down."""
        hint, contents, bar = super().minimumSizeHint(), self.widget(), self.verticalScrollBar()
        if contents is not None and bar is not None:
            hint.setWidth(contents.minimumSizeHint().width() + bar.sizeHint().width())
        return hint

    def sizeHint(self) -> QSize:  # noqa: N802  Qt's name
        least, screen = self.minimumSizeHint().width(), self.screen()
        small = screen is not None and screen.availableSize().width() < _SMALL_SCREEN
        width = least if small else max(_USUAL_WIDTH, least)
        return QSize(width, super().sizeHint().height())
