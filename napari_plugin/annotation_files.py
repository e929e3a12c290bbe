"""Which annotation file a path is, told by what is in it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from napari_plugin.mask_files import is_mask
from ovseg_annotate.errors import FormatError
from ovseg_annotate.formats import coco, label_studio, masks, native
from ovseg_annotate.formats.json_stream import Element, elements
from ovseg_annotate.regions import AnnotatedImage

_LOOKED_AT = 64  # elements of a JSON file before it counts as something else
_COCO = {"images": "file_name", "annotations": "category_id", "categories": "name"}


class FileKind(StrEnum):
    """What the readers open."""

    COCO = "COCO"
    LABEL_STUDIO = "Label Studio"
    RECORD = "record"
    MASK_FOLDER = "folder of masks"  # named by its labels.csv
    MASK = "mask"


def kind_of(path: Path) -> FileKind | None:
    """What the file is; None for what is not ours, also where it cannot be read."""
    try:
        if path.suffix.casefold() == ".json":
            return _kind_of_json(path)
        if path.suffix.casefold() == ".csv":
            return FileKind.MASK_FOLDER if _starts_with(path, "value,concept") else None
        return FileKind.MASK if is_mask(path) else None
    except (FormatError, OSError):
        return None


def pictures_in(path: Path, kind: FileKind) -> Iterator[AnnotatedImage]:
    """The annotated pictures of a file of that kind; masks are `mask_files`'."""
    if kind is FileKind.COCO:
        return coco.read(path)
    if kind is FileKind.LABEL_STUDIO:
        return label_studio.read(path)
    if kind is FileKind.RECORD:
        return iter([native.read_record(path).image])
    return masks.read(path.parent)


def _kind_of_json(path: Path) -> FileKind | None:
    """Reads no further than the first element that tells."""
    for element in itertools.islice(elements(path), _LOOKED_AT):
        value = element.field.value
        if element.key in _COCO:
            is_coco = isinstance(value, dict) and _COCO[element.key] in value
            return FileKind.COCO if is_coco else None
        if element.key == "":
            return FileKind.LABEL_STUDIO if _is_task(value) else None
        if _tells_of_a_record(element):
            return FileKind.RECORD
    return None


def _is_task(value: object) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("data"), dict)
        and ("annotations" in value or "predictions" in value)
    )


def _tells_of_a_record(element: Element) -> bool:
    if element.key == "made_from":
        return isinstance(element.field.value, dict) and "settings" in element.field.value
    return element.key == "kind" and element.field.value in tuple(native.Kind)


def _starts_with(path: Path, text: str) -> bool:
    with path.open(encoding="utf-8-sig") as file:
        return file.read(len(text)) == text
