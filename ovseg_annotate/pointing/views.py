"""A window of the picture at a size that is quick to think about, whatever the window's own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.geometry import Size, Window
from ovseg_annotate.resampling import resampled

_SMALLEST = 48  # px of the picture: the closest look
_STEP = 2.6  # from one look to the next wider one
_LAB_UNIT = 25.0  # a clear difference of colour


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What is seen of a picture through a window, at a working size."""

    window: Window  # in px of the picture
    picture: Size
    pixels: NDArray[np.uint8]  # (height, width, 3) at the working size
    colours: NDArray[np.float32]  # (height, width, 3) CIELAB, 1 is a clear difference

    @property
    def size(self) -> Size:
        return Size(*self.pixels.shape[:2])

    @property
    def zoom(self) -> tuple[float, float]:
        """Working px a px of the picture: across, down."""
        return self.size.width / self.window.width, self.size.height / self.window.height

    def places(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(x, y) in the picture of every working px's centre, row by row."""
        across, down = self.zoom
        x = self.window.left + (np.arange(self.size.width) + 0.5) / across
        y = self.window.top + (np.arange(self.size.height) + 0.5) / down
        return np.tile(x, self.size.height), np.repeat(y, self.size.width)

    def pixel_at(self, x: float, y: float) -> tuple[int, int]:
        """Row and column of the working px at a place of the picture; the nearest if outside."""
        across, down = self.zoom
        row, column = int((y - self.window.top) * down), int((x - self.window.left) * across)
        return min(max(row, 0), self.size.height - 1), min(max(column, 0), self.size.width - 1)


def view_of(pixels: NDArray[np.uint8], window: Window, longest: int) -> View:
    """The window with its longer side brought to `longest` px."""
    from skimage.color import rgb2lab  # noqa: PLC0415  slow to import

    zoom = longest / max(window.height, window.width)
    size = Size(max(8, round(window.height * zoom)), max(8, round(window.width * zoom)))
    box = (float(window.left), float(window.top), float(window.right), float(window.bottom))
    seen = np.ascontiguousarray(resampled(pixels, box, size))
    colours = (rgb2lab(seen) / _LAB_UNIT).astype(np.float32)
    return View(window, Size(*pixels.shape[:2]), seen, colours)


def looks_at(marked: tuple[float, float, float, float], widest: Window) -> tuple[Window, ...]:
    """Windows round a marked rectangle, from the closest look to the widest."""
    left, top, right, bottom = marked
    side = max(float(_SMALLEST), 2.0 * max(right - left, bottom - top))
    windows = []
    while side < 0.8 * max(widest.height, widest.width):
        windows.append(_window_around((left + right) / 2, (top + bottom) / 2, side, widest))
        side *= _STEP
    return (*windows, widest)


def _window_around(x: float, y: float, side: float, widest: Window) -> Window:
    height, width = min(round(side), widest.height), min(round(side), widest.width)
    top = min(max(round(y - height / 2), widest.top), widest.bottom - height)
    left = min(max(round(x - width / 2), widest.left), widest.right - width)
    return Window(top, left, height, width)


def whole_pixels(box: tuple[float, float, float, float], size: Size) -> Window:
    """The px of a picture that a rectangle (left, top, right, bottom) touches; at least one."""
    left, top, right, bottom = box
    first_row = min(max(int(np.floor(top)), 0), size.height - 1)
    first_column = min(max(int(np.floor(left)), 0), size.width - 1)
    last_row = min(max(int(np.ceil(bottom)), first_row + 1), size.height)
    last_column = min(max(int(np.ceil(right)), first_column + 1), size.width)
    return Window(first_row, first_column, last_row - first_row, last_column - first_column)


def grown(window: Window, share: float, size: Size) -> Window:
    """The window with a share of its sides around it, and at least 3 px, inside the picture."""
    down, across = max(3.0, share * window.height), max(3.0, share * window.width)
    box = (
        window.left - across,
        window.top - down,
        window.right + across,
        window.bottom + down,
    )
    return whole_pixels(box, size)
