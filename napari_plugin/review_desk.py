"""The picture under review: opened, painted on, saved as it goes. Knows the viewer, but no Qt."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from psygnal import Signal

from napari_plugin.layer_data import Labels
from napari_plugin.review_layers import ReviewLayers
from napari_plugin.review_state import OpenPicture, Review
from napari_plugin.review_thread import Done, ReviewThread

if TYPE_CHECKING:
    import napari.components


class ReviewDesk:
    """One review and the picture of it that lies on the desk."""

    edited: ClassVar[Signal] = Signal()  # there may be something to save
    shown: ClassVar[Signal] = Signal(OpenPicture)

    def __init__(
        self,
        review: Review,
        viewer: napari.components.ViewerModel,
        tell: Callable[[Done], None],
    ) -> None:
        """`tell` is called in another thread and must see to it that `take` is not."""
        self.review = review
        self._layers = ReviewLayers(viewer)
        self._layers.edited.connect(self.edited.emit)
        self._thread = ReviewThread(review, tell)
        self._picture: OpenPicture | None = None
        self._saved: Labels | None = None  # what is on the disk, or on its way there
        self._wanted: int | None = None  # position of the picture that was asked for last

    @property
    def position(self) -> int | None:
        """The picture that is shown or about to be."""
        return self._wanted

    @property
    def picture(self) -> OpenPicture | None:
        return self._picture

    def show(self, position: int) -> None:
        """Open another picture; what was painted on this one is saved first."""
        self.save()
        self._wanted = position
        self._thread.open(position)

    def save(self) -> None:
        """Hand over what was painted since the last time."""
        picture, labels = self._picture, self._layers.labels
        if picture is None or labels is None or _same(labels, self._saved):
            return
        self._saved = labels
        self._thread.save(picture, labels)

    def wait_until_saved(self) -> None:
        """Until the disk has everything that was handed over; not for the window's thread."""
        self._thread.wait()

    def accept(self) -> None:
        """The picture is right as it is now."""
        picture, labels = self._picture, self._layers.labels
        if picture is not None and labels is not None:
            self._saved = labels
            self._thread.accept(picture, labels)

    def restore(self) -> None:
        """Go back to the suggestion and show it."""
        if self._picture is None:
            return
        position = self._picture.position
        self._saved = self._layers.labels  # not to be saved again on the way
        self._thread.restore(position)
        self.show(position)

    def take(self, done: Done) -> None:
        """What the thread did; the caller shows the error, if there is one."""
        self.review.refresh(done.position)
        opened = done.opened
        if opened is None or opened.position != self._wanted:
            return  # by now another picture is wanted
        self._picture, self._saved = opened, opened.labels
        self._layers.show(opened)
        self.shown.emit(opened)

    def reopen(self) -> None:
        """Look again at what is known about the picture."""
        if self._picture is not None:
            self.show(self._picture.position)

    def suggested(self, position: int) -> None:
        """A suggestion was saved: show it if its picture lies here and nobody painted on it."""
        self.review.refresh(position)
        picture = self._picture
        if picture is None or picture.position != position or self._wanted != position:
            return
        labels = self._layers.labels
        if labels is None or _same(labels, picture.labels):
            self._thread.open(position)

    def paint_with(self, label: int) -> None:
        self._layers.paint_with(label)

    def close(self) -> None:
        """Save, wait until it is on the disk, and let go of the folder."""
        self.save()
        self._picture = None
        self._thread.close()
        self.review.close()

    def clear(self) -> None:
        """Take the layers out of the viewer."""
        self._layers.clear()


def _same(one: Labels, other: Labels | None) -> bool:
    return other is not None and np.array_equal(one, other)
