"""Small squares of a colour, as they stand beside names."""

from __future__ import annotations

from qtpy.QtGui import QColor, QIcon, QPixmap

from ovseg_annotate.vocabulary import Colour

_SIDE = 16  # px


def swatch_of(colour: Colour) -> QIcon:
    """The colour as it is, also in the chosen row, where Qt would tint it."""
    pixels = QPixmap(_SIDE, _SIDE)
    pixels.fill(QColor(*colour))
    icon = QIcon(pixels)
    icon.addPixmap(pixels, QIcon.Mode.Selected)
    return icon
