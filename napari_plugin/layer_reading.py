"""Annotations out of napari layers: those of this plugin, and those that people made themselves.

Labels come first: where a labels layer is among the layers, polygons beside it count as a view of
it. Without one the polygons are taken. A stack gives one picture a plane.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_plugin.layer_data import METADATA, Labels, LayerData, Origin
from napari_plugin.shape_reading import polygon_pictures
from ovseg_annotate.errors import FormatError
from ovseg_annotate.formats.concepts import extended, parsed_vocabulary
from ovseg_annotate.formats.fields import Field
from ovseg_annotate.formats.native import provenance_of
from ovseg_annotate.geometry import Size
from ovseg_annotate.label_map import LabelMap, label_dtype
from ovseg_annotate.regions import AnnotatedImage, RegionOptions, regions_of
from ovseg_annotate.vocabulary import Concept, Vocabulary

# Nothing that a person painted is too small to be meant.
AS_PAINTED = RegionOptions(minimum_area=1)
_MOST_LABELS = 65_534
_NAMES = ("class", "concept", "name", "label")  # columns of the features that may hold them


def annotated_images(
    layers: Sequence[LayerData], options: RegionOptions = AS_PAINTED
) -> tuple[AnnotatedImage, ...]:
    """What the layers say: a picture for each labels layer, or else for each of polygons."""
    images = [layer for layer in layers if layer[2] == "image"]
    labels = [layer for layer in layers if layer[2] == "labels"]
    shapes = [layer for layer in layers if layer[2] == "shapes"]
    if labels:
        return tuple(
            image for layer in labels for image in _painted_pictures(layer, images, options)
        )
    if shapes:
        return tuple(image for layer in shapes for image in _drawn_pictures(layer, images))
    raise FormatError(
        "there is neither a labels nor a shapes layer to write; select the layer with the "
        "annotations, or it and the picture"
    )


def origin_in(keywords: Mapping[str, Any], where: str) -> Origin | None:
    """What our metadata say; None where a layer has none of ours."""
    metadata = keywords.get("metadata") or {}
    if METADATA not in metadata:
        return None
    field = Field(metadata[METADATA], f"{where}: metadata {METADATA!r}")
    vocabulary = field.get("vocabulary")
    return Origin(
        field.get("picture").text(),
        field.size(),
        parsed_vocabulary(vocabulary.text(), vocabulary.where),
        provenance_of(field),
    )


def painted_picture(
    labels: NDArray[np.integer[Any]], origin: Origin, options: RegionOptions = AS_PAINTED
) -> AnnotatedImage:
    """The connected pieces of labels; a person's, so that nobody is more or less sure."""
    vocabulary = _named_up_to(origin.vocabulary, int(labels.max(initial=0)), origin.picture)
    painted: Labels = labels.astype(label_dtype(vocabulary))
    unknown = np.zeros(painted.shape, np.float16)
    found = regions_of(LabelMap(painted, unknown, unknown, vocabulary), options)
    regions = tuple(replace(region, confidence=None, margin=None) for region in found)
    size = Size(*painted.shape)
    return AnnotatedImage(origin.picture, size, regions, vocabulary, origin.provenance)


def _painted_pictures(
    layer: LayerData, images: Sequence[LayerData], options: RegionOptions
) -> Iterator[AnnotatedImage]:
    data, keywords, _ = layer
    name = str(keywords.get("name", "labels"))
    numbers = _numbers(data, name)
    size = Size(*numbers.shape[-2:])
    origin = origin_in(keywords, name)
    if origin is None:
        words = _vocabulary_in(keywords, int(numbers.max(initial=0)), name)
        origin = Origin(_picture_name(images) or name, size, words, None)
    origin = replace(origin, size=size)
    if numbers.ndim == 2:
        yield painted_picture(numbers, origin, options)
        return
    for number, plane in enumerate(numbers.reshape(-1, size.height, size.width)):
        called = plane_name(origin.picture, number)
        yield painted_picture(plane, replace(origin, picture=called), options)


def _drawn_pictures(layer: LayerData, images: Sequence[LayerData]) -> Iterator[AnnotatedImage]:
    keywords = layer[1]
    name = str(keywords.get("name", "shapes"))
    origin = origin_in(keywords, name)
    concepts = names_in(keywords.get("features"))
    if len(concepts) != len(layer[0]) or not all(concepts):
        raise FormatError(
            f"{name}: every shape needs the name of its concept in the column 'class' of the "
            "layer's features; the features table is in Layers > Metadata"
        )
    if origin is None:
        if not concepts:
            raise FormatError(f"{name}: there is no shape in this layer; draw one first")
        words = extended(Vocabulary((Concept(concepts[0]),)), concepts, name)
        origin = Origin(_picture_name(images) or name, _picture_size(images, name), words, None)
    origin = replace(origin, vocabulary=extended(origin.vocabulary, concepts, name))
    for plane, image in polygon_pictures(layer, concepts, origin):
        called = origin.picture if plane is None else plane_name(origin.picture, plane)
        yield replace(image, name=called)


def names_in(features: Any) -> list[str]:
    """The names of concepts in a table of features, row by row; [] where there are none."""
    for column in _NAMES:
        if features is not None and column in features:
            return [str(name).strip() for name in features[column]]
    return []


def plane_name(picture: str, number: int) -> str:
    """How a plane of a stack is called among pictures."""
    return f"{picture}-{number:04d}"


def _numbers(data: Any, name: str) -> NDArray[np.integer[Any]]:
    if isinstance(data, (list, tuple)):
        data = data[0]  # several scales: the first is the full size
    numbers = np.asarray(data)
    if numbers.dtype == np.bool_:
        numbers = numbers.astype(np.uint8)
    if numbers.ndim < 2 or numbers.dtype.kind not in "iu":
        raise FormatError(
            f"{name}: expected whole numbers (height, width), got {numbers.dtype} of shape "
            f"{numbers.shape}"
        )
    lowest, highest = int(numbers.min(initial=0)), int(numbers.max(initial=0))
    if lowest < 0 or highest > _MOST_LABELS:
        raise FormatError(
            f"{name}: labels go from 0 to {_MOST_LABELS}, got {lowest} to {highest}; "
            "renumber them first"
        )
    return numbers


def _vocabulary_in(keywords: Mapping[str, Any], highest: int, name: str) -> Vocabulary:
    """The names that the features table gives to labels, by its column `index` or by row."""
    features: Any = keywords.get("features")
    names = names_in(features)
    indices = list(features["index"]) if names and "index" in features else range(len(names))
    by_label = {int(index): called for index, called in zip(indices, names, strict=True)}
    highest = max(highest, *by_label, 1)
    concepts = [by_label.get(label) or _spare_name(label, name) for label in range(1, highest + 1)]
    unique = dict.fromkeys(concepts)
    if len(unique) != len(concepts):
        raise FormatError(f"{name}: two labels have one name in the layer's features; rename one")
    return Vocabulary(tuple(Concept(concept) for concept in unique))


def _named_up_to(vocabulary: Vocabulary, highest: int, where: str) -> Vocabulary:
    """The vocabulary with a name for every label, also those that somebody painted anew."""
    spare = [_spare_name(label, where) for label in range(len(vocabulary) + 1, highest + 1)]
    return extended(vocabulary, spare, where)


def _spare_name(label: int, where: str) -> str:
    if label > _MOST_LABELS:
        raise FormatError(f"{where}: label {label}; labels go up to {_MOST_LABELS}")
    return f"label {label}"


def _picture_name(images: Sequence[LayerData]) -> str | None:
    return str(images[0][1].get("name", "image")) if images else None


def _picture_size(images: Sequence[LayerData], name: str) -> Size:
    if not images:
        raise FormatError(
            f"{name}: nothing tells how large the picture of these shapes is; select the picture's "
            "layer as well and save both"
        )
    data, keywords, _ = images[0]
    if isinstance(data, (list, tuple)):
        data = data[0]
    shape = data.shape[:-1] if keywords.get("rgb") else data.shape
    return Size(int(shape[-2]), int(shape[-1]))
