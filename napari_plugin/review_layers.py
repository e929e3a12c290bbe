"""The two layers in which a picture is reviewed: the picture and its labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from psygnal import Signal

from napari_plugin.layer_data import Labels, Origin, labels_layer
from napari_plugin.review_state import OpenPicture

if TYPE_CHECKING:
    import napari.components
    import napari.layers

PICTURE = "Review: picture"
LABELS = "Review: labels"


class ReviewLayers:
    """Shows one picture after the other in the same layers; makes them anew when they are gone."""

    edited: ClassVar[Signal] = Signal()  # the labels may have changed

    def __init__(self, viewer: napari.components.ViewerModel) -> None:
        self._viewer = viewer
        self._picture: napari.layers.Image | None = None
        self._labels: napari.layers.Labels | None = None

    @property
    def labels(self) -> Labels | None:
        """A copy of what is painted now; None where there is nothing to paint on."""
        # A layer that somebody removed still has the last strokes.
        return None if self._labels is None else np.array(self._labels.data)

    def show(self, picture: OpenPicture) -> None:
        """Put a picture and its labels in place of the last ones."""
        self._drop_labels()
        self._show_pixels(picture)
        if picture.annotated is None or picture.labels is None:
            return
        origin = Origin.of(picture.annotated)
        data, keywords, _ = labels_layer(picture.labels.copy(), origin, LABELS)
        layer = self._viewer.add_labels(data, **keywords)
        layer.opacity = 0.5
        layer.selected_label = next(iter(origin.vocabulary.labels), 1)
        # Undo and redo say only `set_data`.
        layer.events.set_data.connect(self._tell)
        layer.events.paint.connect(self._tell)
        self._labels = layer
        self._viewer.layers.selection.active = layer

    def paint_with(self, label: int) -> None:
        """Choose the concept that the brush paints."""
        if self._labels is not None:
            self._labels.selected_label = label
            self._labels.mode = "paint"

    def clear(self) -> None:
        """Take both layers away."""
        self._drop_labels()
        if self._picture is not None and self._picture in self._viewer.layers:
            self._viewer.layers.remove(self._picture)
        self._picture = None

    def _show_pixels(self, picture: OpenPicture) -> None:
        pixels = picture.image.pixels
        if self._picture is not None and self._picture in self._viewer.layers:
            same_size = self._picture.data.shape == pixels.shape
            self._picture.data = pixels
        else:
            self._picture = self._viewer.add_image(pixels, name=PICTURE, rgb=True)
            same_size = False
        if not same_size:
            self._viewer.reset_view()

    def _drop_labels(self) -> None:
        layer, self._labels = self._labels, None
        if layer is None:
            return
        layer.events.set_data.disconnect(self._tell)
        layer.events.paint.disconnect(self._tell)
        if layer in self._viewer.layers:
            self._viewer.layers.remove(layer)

    def _tell(self, event: object = None) -> None:
        self.edited.emit()
