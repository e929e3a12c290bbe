"""The shapes of a napari layer as regions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_plugin.layer_data import LayerData, Origin, rings_of
from ovseg_annotate.errors import FormatError
from ovseg_annotate.formats.outlines import ellipse_ring, within
from ovseg_annotate.geometry import Polygon, Ring, Size, oriented
from ovseg_annotate.polygons import repaired
from ovseg_annotate.regions import AnnotatedImage, Region


@dataclass(frozen=True, slots=True, eq=False)
class _Shape:
    """One shape of the layer with what its row of the features says."""

    concept: str
    confidence: float | None
    region: int | None  # shapes of one number are parts of one region
    plane: int | None  # of a stack
    polygons: tuple[Polygon, ...]


def polygon_pictures(
    layer: LayerData, concepts: Sequence[str], origin: Origin
) -> Iterator[tuple[int | None, AnnotatedImage]]:
    """The shapes of each plane, None for a layer without planes; `concepts` names them one by one.

    The pictures have the name, the words and the provenance of `origin`.
    """
    shapes = list(_shapes(layer, concepts, origin.size))
    planes = list(dict.fromkeys(shape.plane for shape in shapes)) or [None]
    for plane in sorted(planes, key=lambda number: number or 0):
        regions = _regions([shape for shape in shapes if shape.plane == plane])
        yield (
            plane,
            AnnotatedImage(
                origin.picture, origin.size, regions, origin.vocabulary, origin.provenance
            ),
        )


def _shapes(layer: LayerData, concepts: Sequence[str], size: Size) -> Iterator[_Shape]:
    data, keywords, _ = layer
    kinds = keywords.get("shape_type", "polygon")
    kinds = [kinds] * len(data) if isinstance(kinds, str) else list(kinds)
    scores, numbers = _column(keywords, "score"), _column(keywords, "region")
    for index, (vertices, concept) in enumerate(zip(data, concepts, strict=True)):
        where = f"{keywords.get('name', 'shapes')}: shape {index + 1}"
        points = np.asarray(vertices, np.float64)
        score = math.nan if scores is None else float(scores[index])
        number = math.nan if numbers is None else float(numbers[index])
        yield _Shape(
            concept,
            score if 0.0 <= score <= 1.0 else None,
            None if math.isnan(number) else int(number),
            round(points[0, -3]) if points.shape[1] > 2 else None,
            within(_polygons(points, str(kinds[index]), where), size),
        )


def _regions(shapes: Sequence[_Shape]) -> tuple[Region, ...]:
    """Join the parts of one region; what encloses nothing is no region."""
    groups: dict[object, list[_Shape]] = {}
    for index, shape in enumerate(shapes):
        if shape.polygons:
            alone = shape.region is None
            key = (index,) if alone else (shape.region, shape.concept, shape.confidence)
            groups.setdefault(key, []).append(shape)
    return tuple(
        Region(
            parts[0].concept,
            tuple(polygon for part in parts for polygon in part.polygons),
            None,
            parts[0].confidence,
        )
        for parts in groups.values()
    )


def _polygons(points: NDArray[np.float64], kind: str, where: str) -> tuple[Polygon, ...]:
    if kind == "ellipse":
        return repaired(Polygon(_ellipse(points)))
    if kind not in ("polygon", "rectangle"):
        raise FormatError(
            f"{where} is a {kind}, which encloses nothing; draw polygons, rectangles or ellipses, "
            "or delete it"
        )
    rings = rings_of(points)
    if not rings:
        return ()
    outline, *holes = rings
    polygon = Polygon(
        oriented(outline, hole=False), tuple(oriented(hole, hole=True) for hole in holes)
    )
    return repaired(polygon)


def _ellipse(corners: NDArray[np.float64]) -> Ring:
    """Napari keeps the four corners of the box, turned as the ellipse is."""
    ring = corners[:, -1:-3:-1] + 0.5
    along, across = (ring[1] - ring[0]) / 2, (ring[3] - ring[0]) / 2
    radii = (float(np.hypot(*along)), float(np.hypot(*across)))
    degrees = math.degrees(math.atan2(along[1], along[0]))
    return ellipse_ring(ring.mean(axis=0).tolist(), radii, degrees)


def _column(keywords: dict[str, Any], name: str) -> list[Any] | None:
    features = keywords.get("features")
    return list(features[name]) if features is not None and name in features else None
