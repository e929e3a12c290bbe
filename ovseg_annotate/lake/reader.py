"""A lake picture by picture, in the order in which a run folder gives them."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from ovseg_annotate.errors import FormatError, RunError
from ovseg_annotate.lake.lake import Lake, order_of, read_settings, tables_of_part
from ovseg_annotate.lake.rows import images_of
from ovseg_annotate.lake.schema import State
from ovseg_annotate.lake.storage import Storage
from ovseg_annotate.regions import AnnotatedImage
from ovseg_annotate.run_folder.settings import LAKE_FILE_NAME


class LakeReader:
    """Holds a part or two at a time, however many there are."""

    def __init__(self, address: str) -> None:
        self.storage = Storage(address)
        if not self.storage.exists(LAKE_FILE_NAME):
            raise RunError(
                f"{address} is not a lake (it has no {LAKE_FILE_NAME}); give the --out of "
                "'ovseg annotate --fleet'"
            )
        self.settings, most = read_settings(self.storage)
        self._parts: list[tuple[tuple[str, ...], str]] = []  # first picture, part
        self._count = self.failed = 0  # pictures with an answer, pictures without
        for known in Lake(self.storage, self.settings, most).known():
            failed = sum(picture.state is State.FAILED for picture in known.pictures)
            self.failed += failed
            self._count += len(known.pictures) - failed
            first = min(order_of(picture.name) for picture in known.pictures)
            self._parts.append((first, known.part))
        self._parts.sort()

    def __len__(self) -> int:
        return self._count

    def images(self) -> Iterator[AnnotatedImage]:
        """The pictures with an answer, in the order of the records of a run folder."""
        waiting = deque(self._parts)
        opened: list[_Stream] = []
        while waiting or opened:
            # A part is opened only when its first picture may be the next one.
            while waiting and (not opened or waiting[0][0] <= opened[0].place):
                _push(opened, self._images_of(waiting.popleft()[1]))
            if opened:
                first = heapq.heappop(opened)
                yield first.image
                _push(opened, first.rest)

    def _images_of(self, part: str) -> Iterator[AnnotatedImage]:
        tables = tables_of_part(self.storage, self.settings.digest, part)
        try:
            yield from images_of(tables)
        except (FormatError, RunError) as error:
            raise RunError(f"{self.storage.address}, part {part}: {error}") from error


@dataclass(frozen=True, slots=True, eq=False)
class _Stream:
    """The pictures of a part from one of them on."""

    place: tuple[str, ...]
    image: AnnotatedImage
    rest: Iterator[AnnotatedImage]

    def __lt__(self, other: _Stream) -> bool:
        return self.place < other.place


def _push(opened: list[_Stream], images: Iterator[AnnotatedImage]) -> None:
    image = next(images, None)
    if image is not None:
        heapq.heappush(opened, _Stream(order_of(image.name), image, images))
