"""Files are read and written in a thread of its own, in the order in which a person did things."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from napari_plugin.layer_data import Labels
from napari_plugin.review_state import OpenPicture, Review


@dataclass(frozen=True, slots=True, eq=False)
class Done:
    """One thing that was done, or could not be."""

    position: int
    opened: OpenPicture | None = None  # the picture, when it was to be opened
    error: Exception | None = None


class ReviewThread:
    """Takes work in and tells `done` of each piece, from its own thread."""

    def __init__(self, review: Review, done: Callable[[Done], None]) -> None:
        self._review = review
        self._done = done
        self._thread = ThreadPoolExecutor(1, "ovseg-review")

    def open(self, position: int) -> None:
        """Open a picture as it is after everything that was handed over before."""
        self._submit(position, lambda: self._review.open(position))

    def save(self, picture: OpenPicture, labels: Labels) -> None:
        self._submit(picture.position, lambda: self._review.save(picture, labels))

    def accept(self, picture: OpenPicture, labels: Labels) -> None:
        self._submit(picture.position, lambda: self._review.accept(picture, labels))

    def restore(self, position: int) -> None:
        self._submit(position, lambda: self._review.restore(position))

    def wait(self) -> None:
        """Until everything that was handed over so far is done; from another thread."""
        self._thread.submit(lambda: None).result()

    def close(self) -> None:
        """Wait until everything is on the disk."""
        self._thread.shutdown(wait=True)

    def _submit(self, position: int, work: Callable[[], OpenPicture | None]) -> None:
        def run() -> None:
            try:
                done = Done(position, work())
            except Exception as error:
                done = Done(position, error=error)
            self._done(done)

        self._thread.submit(run)
