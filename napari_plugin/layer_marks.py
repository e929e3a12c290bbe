"""What a person marked in layers, as marks of concepts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_plugin.pictures import Plane
from napari_plugin.pointing_layers import CLASS, POSITIVE
from ovseg_annotate.errors import VocabularyError
from ovseg_annotate.pointing.marks import AreaMark, BoxMark, Mark, PointMark
from ovseg_annotate.vocabulary import Vocabulary


def layer_marks(
    scribbles: Any, points: Any, boxes: Any, plane: Plane, vocabulary: Vocabulary
) -> tuple[Mark, ...]:
    """Everything that was marked in a plane; a layer that is not there is None."""
    found = [
        *([] if scribbles is None else _areas(scribbles, plane, vocabulary)),
        *([] if points is None else _points(points, plane)),
        *([] if boxes is None else _boxes(boxes, plane)),
    ]
    names = set(vocabulary.names)
    for mark in found:
        if mark.concept not in names:
            raise VocabularyError(
                f"a mark belongs to {mark.concept!r}, which is not in the table (any more); "
                "add that concept, or delete the mark"
            )
    return tuple(found)


def _areas(layer: Any, plane: Plane, vocabulary: Vocabulary) -> Iterator[Mark]:
    labels = layer.data[plane]
    for label, concept in enumerate(vocabulary.names, start=1):
        mask: NDArray[np.bool_] = labels == label
        if mask.any():
            yield AreaMark(concept, mask)


def _points(layer: Any, plane: Plane) -> Iterator[Mark]:
    rows = zip(layer.data, layer.features[CLASS], layer.features[POSITIVE], strict=True)
    for place, concept, positive in rows:
        if _is_on(place, plane):
            x, y = float(place[-1]) + 0.5, float(place[-2]) + 0.5
            yield PointMark(str(concept), x, y, bool(positive))


def _boxes(layer: Any, plane: Plane) -> Iterator[Mark]:
    rows = zip(layer.data, layer.features[CLASS], layer.features[POSITIVE], strict=True)
    for corners, concept, positive in rows:
        if _is_on(corners[0], plane):
            top, left = (corners[:, -2:].min(axis=0) + 0.5).tolist()
            bottom, right = (corners[:, -2:].max(axis=0) + 0.5).tolist()
            yield BoxMark(str(concept), left, top, right, bottom, bool(positive))


def _is_on(place: NDArray[np.floating[Any]], plane: Plane) -> bool:
    return tuple(np.round(place[:-2]).astype(int).tolist()) == plane
