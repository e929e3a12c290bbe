"""Annotation files as napari layers. What a file is, its content says."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from napari_plugin.annotation_files import FileKind, kind_of, pictures_in
from napari_plugin.layer_data import LayerData, Origin, labels_layer, layers_of, polygons_layer
from napari_plugin.layer_reading import painted_picture
from napari_plugin.mask_files import read_mask
from ovseg_annotate.errors import FormatError
from ovseg_annotate.geometry import Size
from ovseg_annotate.vocabulary import Concept, Vocabulary

Reader: TypeAlias = Callable[[str | Sequence[str]], list[LayerData]]

MOST_PICTURES = 12  # of one file: two layers each
_MOST_NAMED = 255  # more labels than that number objects, not concepts


def get_reader(path: str | Sequence[str]) -> Reader | None:
    """Napari's question whether we read this; None for what is not ours."""
    paths = _paths(path)
    return read_layers if paths and all(kind_of(each) for each in paths) else None


def read_layers(path: str | Sequence[str]) -> list[LayerData]:
    """A labels layer and a polygons layer for each annotated picture."""
    return [layer for each in _paths(path) for layer in _layers_in(each)]


def _paths(path: str | Sequence[str]) -> list[Path]:
    return [Path(path)] if isinstance(path, str) else [Path(each) for each in path]


def _layers_in(path: Path) -> list[LayerData]:
    kind = kind_of(path)
    if kind is None:
        raise FormatError(
            f"{path} is not an annotation file that can be read; there is: {', '.join(FileKind)}"
        )
    if kind is FileKind.MASK:
        return _mask_layers(path)
    pictures = list(itertools.islice(pictures_in(path, kind), MOST_PICTURES + 1))
    if len(pictures) > MOST_PICTURES:
        raise FormatError(
            f"{path} has annotations of more than {MOST_PICTURES} pictures, which are too many "
            "layers; open the folder of the pictures in Plugins > Folder review instead"
        )
    if not pictures:
        raise FormatError(f"{path} has no annotated picture in it")
    return [layer for picture in pictures for layer in layers_of(picture)]


def _mask_layers(path: Path) -> list[LayerData]:
    mask = read_mask(path)
    name = path.name.removesuffix(path.suffix).removesuffix(".mask")
    size, highest = Size(*mask.labels.shape[-2:]), int(mask.labels.max(initial=0))
    if mask.origin is None and highest > _MOST_NAMED:
        return [(mask.labels, {"name": name}, "labels")]
    origin = mask.origin
    if origin is None:
        names = [Concept(f"label {number}") for number in range(1, max(highest, 1) + 1)]
        origin = Origin(name, size, Vocabulary(tuple(names)), None)
    labels = labels_layer(mask.labels, origin, f"{origin.picture} labels")
    if mask.labels.ndim > 2:
        return [labels]
    picture = painted_picture(mask.labels, origin)
    return [labels, polygons_layer(picture.regions, Origin.of(picture), f"{name} polygons")]
