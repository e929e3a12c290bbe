"""Every format by its name.

A format writes any number of pictures in a stream and reads them back the same way. Each module
states its coordinate frame and what it cannot keep.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from ovseg_annotate.errors import FormatError, listed_by_nearness
from ovseg_annotate.formats import (
    coco,
    cvat,
    geojson,
    label_studio,
    labelme,
    masks,
    voc_masks,
    yolo,
)
from ovseg_annotate.regions import AnnotatedImage

Options = TypeVar("Options")


@dataclass(frozen=True, slots=True)
class Format(Generic[Options]):
    """One annotation format."""

    name: str
    summary: str  # what is written, for people who choose
    options: type[Options]  # read by options.read_options
    writer: Callable[[Iterable[AnnotatedImage], Path, Options], tuple[Path, ...]]
    reader: Callable[[Path], Iterator[AnnotatedImage]]
    # For files that hold suggestions beside answers: reads the answers alone.
    answers_reader: Callable[[Path], Iterator[AnnotatedImage]] | None = None

    def write(
        self, images: Iterable[AnnotatedImage], folder: Path, options: Options | None = None
    ) -> tuple[Path, ...]:
        """Write into a folder; gives the files and folders that a person would open."""
        return self.writer(images, Path(folder), self.options() if options is None else options)

    def read(self, path: Path) -> Iterator[AnnotatedImage]:
        """Read a folder as `write` leaves it, or a single file where the format has one."""
        return self.reader(self._existing(path))

    def read_answers(self, path: Path) -> Iterator[AnnotatedImage]:
        """Read what people drew or let stand, where the format tells it from suggestions."""
        return (self.answers_reader or self.reader)(self._existing(path))

    def _existing(self, path: Path) -> Path:
        path = Path(path)
        if not path.exists():
            raise FormatError(f"there is no {path}; name a file or folder of {self.name}")
        return path


_ALL: tuple[Format[Any], ...] = (
    Format(
        "label-studio",
        "tasks.json with predictions or annotations: polygons, brushes or bitmasks",
        label_studio.LabelStudioOptions,
        label_studio.write,
        label_studio.read,
        label_studio.read_annotations,
    ),
    Format(
        "coco",
        "annotations.json: polygons, run-length codes where there are holes",
        coco.CocoOptions,
        coco.write,
        coco.read,
    ),
    Format(
        "yolo",
        "data.yaml and one text file a picture, for training; no scores",
        yolo.YoloOptions,
        yolo.write,
        yolo.read,
    ),
    Format(
        "voc",
        "palette PNGs of concepts and of objects; up to 254 concepts",
        voc_masks.VocOptions,
        voc_masks.write,
        voc_masks.read,
    ),
    Format(
        "masks",
        "one PNG of label values a picture, and labels.csv",
        masks.MasksOptions,
        masks.write,
        masks.read,
    ),
    Format(
        "labelme",
        "one JSON file a picture: polygons, masks where labelme could not draw them",
        labelme.LabelmeOptions,
        labelme.write,
        labelme.read,
    ),
    Format(
        "geojson",
        "one FeatureCollection a picture, with holes and parts, in pixels",
        geojson.GeoJsonOptions,
        geojson.write,
        geojson.read,
    ),
    Format(
        "cvat",
        "annotations.xml (CVAT for images 1.1): polygons, masks where there are holes",
        cvat.CvatOptions,
        cvat.write,
        cvat.read,
    ),
)

FORMATS: Mapping[str, Format[Any]] = MappingProxyType({each.name: each for each in _ALL})


def format_named(name: str) -> Format[Any]:
    """The format of this name."""
    try:
        return FORMATS[name]
    except KeyError:
        raise FormatError(
            f"unknown format {name!r}; there is: {listed_by_nearness(name, FORMATS)}"
        ) from None
