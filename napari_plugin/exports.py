"""Annotated pictures as one file of another tool."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from napari_plugin.export_kinds import ExportKind
from napari_plugin.layer_data import LayerData
from napari_plugin.layer_reading import AS_PAINTED, annotated_images
from napari_plugin.mask_files import write_mask
from ovseg_annotate.errors import FormatError
from ovseg_annotate.formats import coco, label_studio, native
from ovseg_annotate.regions import AnnotatedImage, RegionOptions
from ovseg_annotate.whole_files import TEMPORARY_PREFIX

# The browser freezes on more points a polygon.
_FOR_A_BROWSER = RegionOptions(minimum_area=1, vertices_per_polygon=2000)


@dataclass(frozen=True, slots=True)
class ExportFile:
    """How files of a kind are called, the usual suffix first."""

    suffixes: tuple[str, ...]
    regions: RegionOptions  # how painted labels become regions for it


EXPORT_FILES = {
    ExportKind.COCO: ExportFile((".coco.json", ".json"), AS_PAINTED),
    ExportKind.LABEL_STUDIO: ExportFile((".tasks.json", ".json"), _FOR_A_BROWSER),
    ExportKind.RECORD: ExportFile((".ovseg.json", ".json"), AS_PAINTED),
    ExportKind.MASK: ExportFile((".mask.png", ".mask.tif", ".mask.tiff"), AS_PAINTED),
}


def export_layers(layers: Sequence[LayerData], kind: ExportKind, path: Path) -> Path:
    """Write what the layers say."""
    return export_pictures(annotated_images(layers, EXPORT_FILES[kind].regions), kind, path)


def export_pictures(pictures: Sequence[AnnotatedImage], kind: ExportKind, path: Path) -> Path:
    """Write one file, whole or not at all."""
    if kind is ExportKind.MASK:
        return write_mask(path, pictures)
    if kind is ExportKind.RECORD:
        return _write_record(pictures, path)
    write = coco.write if kind is ExportKind.COCO else label_studio.write
    with _folder_beside(path) as folder:
        (made,) = write(pictures, folder)
        made.replace(path)
    return path


def _write_record(pictures: Sequence[AnnotatedImage], path: Path) -> Path:
    if len(pictures) != 1:
        raise FormatError(
            f"{path}: a record is about one picture, these layers are {len(pictures)}; save them "
            "one by one, or as COCO"
        )
    (picture,) = pictures
    kind = native.Kind.CORRECTION if picture.provenance is None else native.Kind.SUGGESTION
    return native.write_record(path, native.Record(picture, kind))


@contextmanager
def _folder_beside(path: Path) -> Iterator[Path]:
    """A folder on the same disk, so that the last step is a rename."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=path.parent, prefix=TEMPORARY_PREFIX))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise FormatError(
            f"cannot write {path}: {error.strerror or error}; "
            "check the free space and the permissions of its folder"
        ) from error
