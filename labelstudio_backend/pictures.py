"""The pictures of a task: which they are, and the decoded ones that are still at hand."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass

from labelstudio_backend.errors import TaskError
from labelstudio_backend.label_config import ImageTag, LabelingConfig
from labelstudio_backend.predictions import Canvas
from labelstudio_backend.wire import Task
from ovseg_annotate.errors import listed_by_nearness
from ovseg_annotate.image import Image, ReadingOptions, image_of_bytes

_MAXIMUM_PICTURES = 100  # of one task
_MEBIBYTE = 2**20


@dataclass(frozen=True, slots=True)
class Source:
    """Where one picture of a task is."""

    tag: ImageTag
    reference: str
    index: int | None = None  # among several of one tag


def sources_of(config: LabelingConfig, task: Task) -> tuple[Source, ...]:
    """The pictures that the config's Image tags show of a task; raises `TaskError`."""
    return tuple(source for tag in config.images for source in _sources(tag, task))


def _sources(tag: ImageTag, task: Task) -> list[Source]:
    where = f"the task's field {tag.field!r} for Image {tag.name!r}"
    if tag.field not in task.data:
        raise TaskError(
            f"{where} is missing; the task has: {listed_by_nearness(tag.field, task.data)}"
        )
    value = task.data[tag.field]
    if not tag.is_list:
        return [Source(tag, _reference(value, where))]
    if not isinstance(value, list) or len(value) > _MAXIMUM_PICTURES:
        raise TaskError(
            f"{where}: expected a list of up to {_MAXIMUM_PICTURES} addresses, got "
            f"{type(value).__name__}"
        )
    return [Source(tag, _reference(each, where), index) for index, each in enumerate(value)]


def _reference(value: object, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise TaskError(f"{where}: expected the address of a picture, got {type(value).__name__}")
    return value.strip()


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A decoded picture of a task, as the editor shows it."""

    image: Image
    canvas: Canvas


class DecodedPictures:
    """Reads pictures; those a person is working on are not decoded again. For many threads."""

    def __init__(self, limit: int = 256 * _MEBIBYTE) -> None:
        self._limit = limit
        self._kept: OrderedDict[tuple[str, ReadingOptions], Image] = OrderedDict()
        self._used = 0
        self._lock = threading.Lock()

    def read(self, data: bytes, name: str, options: ReadingOptions) -> Image:
        """The picture in the content of a file; errors call it `name`."""
        key = (digest_of(data), options)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        image = image_of_bytes(data, name, options)
        with self._lock:
            if key not in self._kept and image.pixels.nbytes <= self._limit:
                self._kept[key] = image
                self._used += image.pixels.nbytes
            while self._used > self._limit:
                _, dropped = self._kept.popitem(last=False)
                self._used -= dropped.pixels.nbytes
        return image


def digest_of(data: bytes) -> str:
    """Names the content of a picture file."""
    return hashlib.sha256(data).hexdigest()
