"""Pictures whose labels are known, under a protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.datasets.label_values import Values, read_values
from ovseg_annotate.datasets.protocol import BACKGROUND, Protocol
from ovseg_annotate.errors import ImageError
from ovseg_annotate.formats.pixel_maps import masks_by_number
from ovseg_annotate.geometry import Size
from ovseg_annotate.image import Image, read_image
from ovseg_annotate.regions import Region, mask_of


@dataclass(frozen=True, slots=True, eq=False)
class ProtocolPicture:
    """A picture with the label of every pixel, as its protocol counts them."""

    name: str
    pixels: NDArray[np.uint8]  # (height, width, 3)
    labels: NDArray[np.uint16]  # (height, width), see Protocol.labels_of
    instances: tuple[Region, ...] | None = None  # examples, with masks; None: not told apart
    crowds: tuple[Region, ...] = ()  # areas of examples that nobody told apart


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """The pictures of one split; they are read one by one, in the same order each time."""

    name: str
    protocol: Protocol
    count: int
    pictures: Callable[[], Iterator[ProtocolPicture]]
    files: tuple[LabelledFile, ...] = ()  # one a picture, to read some of them; (): no such files


@dataclass(frozen=True, slots=True)
class LabelledFile:
    """A picture on disk and what says its labels."""

    picture: Path
    labels: Path
    objects: Callable[[], Values] | None = None  # reads the numbers of examples; 0: none


def set_of_files(name: str, protocol: Protocol, files: Sequence[LabelledFile]) -> LabelledSet:
    """The usual kind of data set: one label map a picture."""
    pictures = partial(pictures_of, protocol, tuple(files))
    return LabelledSet(name, protocol, len(files), pictures, tuple(files))


def pictures_of(protocol: Protocol, files: Iterable[LabelledFile]) -> Iterator[ProtocolPicture]:
    """Read files one by one."""
    for file in files:
        values = read_values(file.labels)
        labels = protocol.labels_of(values, file.labels)
        image = picture_of_size(file.picture, Size(*labels.shape), file.labels)
        instances = None
        if file.objects is not None:
            instances = _instances(file.objects(), values, protocol, file.labels)
        yield ProtocolPicture(file.picture.name, image.pixels, labels, instances)


def picture_of_size(path: Path, size: Size, labels: Path | str) -> Image:
    """Read a picture that must be as large as its labels."""
    image = read_image(path)
    if image.size != size:
        raise ImageError(
            f"{labels} is {size} and {path} {image.size}; a map must have its picture's size"
        )
    return image


def with_masks(regions: Iterable[Region], size: Size) -> tuple[Region, ...]:
    """The same regions, each with its exact pixels; those without a pixel are left out."""
    masked = (replace(region, mask=mask_of(region, size)) for region in regions)
    return tuple(region for region in masked if region.mask is not None and region.mask.area)


def _instances(
    numbers: Values, values: Values, protocol: Protocol, where: Path
) -> tuple[Region, ...]:
    if numbers.shape != values.shape:
        raise ImageError(
            f"{where} is {Size(*values.shape)} and its map of objects {Size(*numbers.shape)}"
        )
    instances = []
    for number, mask in masks_by_number(numbers.astype(np.int32)):
        if number == 0:
            continue
        inside = values[mask.box.slices][mask.array()]
        # The edge of an object may stray into its neighbour's labels by a pixel.
        concept = protocol.meaning.get(int(np.bincount(inside).argmax()), BACKGROUND)
        if concept != BACKGROUND:
            instances.append(Region(concept, (), mask))
    return tuple(instances)
