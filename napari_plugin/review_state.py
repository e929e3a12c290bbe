"""A run folder under review: what is done, and people's answers saved as they come. Knows no Qt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import ClassVar

import numpy as np
from psygnal import Signal

from napari_plugin.layer_data import Labels
from napari_plugin.review_corrections import accepted_picture, corrected_picture
from napari_plugin.review_list import Arrangement, ReviewItem
from ovseg_annotate.errors import RunError
from ovseg_annotate.geometry import Size
from ovseg_annotate.image import Image, ReadingOptions, read_image
from ovseg_annotate.learning_loop.choice import Choice
from ovseg_annotate.regions import AnnotatedImage, labels_of
from ovseg_annotate.run_folder import (
    Picture,
    PictureState,
    RunFolder,
    RunReader,
    RunSettings,
    is_run_folder,
    picture_folders,
    pictures_in,
)
from ovseg_annotate.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True, eq=False)
class OpenPicture:
    """A picture as it was when it was opened."""

    position: int  # in the list of all pictures
    image: Image
    state: PictureState
    annotated: AnnotatedImage | None  # without a region where nothing is known; None: no words yet
    labels: Labels | None  # (height, width), those of `annotated`


class Review:
    """A list of pictures and their run folder, which is this process's alone until `close`.

    What reads or writes files may be called in any thread; what tells of a change may not.
    """

    item_changed: ClassVar[Signal] = Signal(int)  # position

    def __init__(self, pictures: Iterable[Picture], folder: RunFolder) -> None:
        """Use `open_review`; the folder is locked."""
        self.folder = folder
        self.settings = RunSettings.read(folder.path) if is_run_folder(folder.path) else None
        self.restored: set[str] = set()  # pictures whose corrections were given up
        self._ranks: dict[str, tuple[int, str]] = {}  # of open pictures, by name; with the reason
        self._items = [ReviewItem(picture, folder.standing(picture)) for picture in pictures]

    @property
    def items(self) -> Sequence[ReviewItem]:
        return self._items

    @property
    def vocabulary(self) -> Vocabulary | None:
        """The words of the run; None before there is one."""
        return None if self.settings is None else Vocabulary.parse(self.settings.vocabulary)

    def position_of(self, name: str) -> int | None:
        names = (item.picture.name for item in self._items)
        return next((position for position, each in enumerate(names) if each == name), None)

    def arranged(self, arrangement: Arrangement) -> tuple[int, ...]:
        return arrangement.of(self._items)

    def open(self, position: int) -> OpenPicture:
        """Read a picture and its record; slow, so call it in a worker."""
        picture = self._items[position].picture
        reading = ReadingOptions() if self.settings is None else self.settings.reading
        image = read_image(picture.path, reading)
        annotated = self._annotated(picture, image.size)
        labels = None if annotated is None else labels_of(annotated)
        state = self.folder.standing(picture).state
        return OpenPicture(position, image, state, annotated, labels)

    def save(self, picture: OpenPicture, labels: Labels) -> None:
        """Write what a person painted since the picture was opened; undoing it undoes that."""
        before, painted = _with_words(picture)
        if not np.array_equal(labels, painted):
            corrected = corrected_picture(before, painted, labels)
            self.folder.save_correction(corrected, accepted=False)
        elif picture.state is PictureState.SUGGESTED:
            self._give_up(self._items[picture.position].picture)
        else:
            accepted = picture.state is PictureState.ACCEPTED
            self.folder.save_correction(before, accepted=accepted)

    def accept(self, picture: OpenPicture, labels: Labels) -> None:
        """Write that a person is done with the picture as it is now."""
        before, painted = _with_words(picture)
        image = accepted_picture(corrected_picture(before, painted, labels))
        self.folder.save_correction(image, accepted=True)

    def restore(self, position: int) -> None:
        """Put the suggestion back in the place of a person's answer."""
        picture = self._items[position].picture
        if self._give_up(picture) is not PictureState.SUGGESTED:
            raise RunError(
                f"{picture.name}: there is no suggestion to go back to; press Suggest to make one "
                "after deleting its record"
            )

    def refresh(self, position: int) -> None:
        """Look again how a picture stands."""
        picture = self._items[position].picture
        self._items[position] = self._item(picture)
        self.item_changed.emit(position)

    def rank(self, choices: Iterable[Choice]) -> None:
        """Take over which open pictures are the most useful, and why."""
        self._ranks = {each.picture: (rank, each.reason) for rank, each in enumerate(choices)}
        self._items = [self._item(item.picture) for item in self._items]

    def adopt(self, settings: RunSettings, *, replace: bool) -> None:
        """Take the settings of the suggestions to come."""
        pictures = [item.picture for item in self._items]
        self.folder.adopt(settings, pictures, replace=replace)
        self.settings = settings

    def close(self) -> None:
        """Let other processes use the folder."""
        self.folder.__exit__(None, None, None)

    def __enter__(self) -> Review:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _item(self, picture: Picture) -> ReviewItem:
        rank, reason = self._ranks.get(picture.name, (None, ""))
        return ReviewItem(picture, self.folder.standing(picture), rank, reason)

    def _give_up(self, picture: Picture) -> PictureState:
        self.restored.add(picture.name)
        return self.folder.restore_suggestion(picture)

    def _annotated(self, picture: Picture, size: Size) -> AnnotatedImage | None:
        vocabulary = self.vocabulary
        if vocabulary is None:
            return None
        record = RunReader(self.folder.path).record_of(picture.name)
        if record is None:
            return AnnotatedImage(picture.name, size, (), vocabulary, None)
        if record.image.size != size:
            raise RunError(
                f"{picture.path} has {size}, but {record.path} is about {record.image.size}; put "
                "the old picture back, or delete the record to have it annotated again"
            )
        return record.image


def _with_words(picture: OpenPicture) -> tuple[AnnotatedImage, Labels]:
    if picture.annotated is None or picture.labels is None:
        raise RunError(
            "there are no words yet, so nothing can be labelled; type what to look for and press "
            "Suggest"
        )
    return picture.annotated, picture.labels


def open_review(inputs: Sequence[Path], out: Path) -> Review:
    """Open pictures, or folders of them, for review in a run folder, which may be a new one.

    A run folder as the only input stands for the pictures that were annotated into it.
    """
    if len(inputs) == 1 and is_run_folder(inputs[0]):
        out = inputs[0]
        inputs = _annotated_folders(out)
    pictures = pictures_in(inputs, leave_out=out)
    folder = RunFolder(out)
    folder.__enter__()
    try:
        return Review(pictures, folder)
    except BaseException:
        folder.__exit__(None, None, None)
        raise


def usual_run_folder(inputs: Sequence[Path]) -> Path:
    """Where the records of these pictures go unless a person says otherwise."""
    first = inputs[0]
    if is_run_folder(first):
        return first
    folder = first if first.is_dir() else first.parent
    return folder.parent / f"{folder.name}-labels"


def _annotated_folders(out: Path) -> tuple[Path, ...]:
    folders = picture_folders(out)
    there = tuple(folder for folder in folders if folder.is_dir())
    if not there:
        named = ", ".join(map(str, folders)) or "not told by its run.json"
        raise RunError(
            f"the pictures of {out} are not where they were ({named}); choose their folder instead"
        )
    return there
