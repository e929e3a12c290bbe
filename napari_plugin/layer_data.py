"""Annotations as napari layers: what the Segment dock makes and what the readers make is one.

Frame: napari counts (row, column) from the middle of the first pixel, we count (x, y) from its
corner, so a point is (y - 0.5, x - 0.5). A polygon is its closed outline followed by its closed
holes in one array, back at the start after each; napari leaves the holes open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ovseg_annotate.geometry import Polygon, Ring, Size
    from ovseg_annotate.provenance import Provenance
    from ovseg_annotate.regions import AnnotatedImage, Region
    from ovseg_annotate.vocabulary import Colour, Vocabulary

Labels: TypeAlias = NDArray[np.unsignedinteger]
# napari's own form: the data, the keyword arguments of `add_<kind>`, the kind.
LayerData: TypeAlias = tuple[Any, dict[str, Any], Literal["image", "labels", "shapes"]]

METADATA = "ovseg"  # our entry in the metadata of a layer
UNLABELLED_NAME = "unlabelled"
_EDGE_SHARE = 400  # edges are this part of the shorter side wide
_TRANSPARENT = (0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Origin:
    """What a layer was made from; stands in its metadata."""

    picture: str  # its name, as in AnnotatedImage
    size: Size
    vocabulary: Vocabulary
    provenance: Provenance | None  # None for what people drew

    @classmethod
    def of(cls, image: AnnotatedImage) -> Origin:
        return cls(image.name, image.size, image.vocabulary, image.provenance)

    def as_metadata(self) -> dict[str, object]:
        """For the metadata of a layer: plain values that survive saving."""
        plain = {
            "picture": self.picture,
            "height": self.size.height,
            "width": self.size.width,
            "vocabulary": str(self.vocabulary),
            "provenance": None if self.provenance is None else self.provenance.as_plain(),
        }
        return {METADATA: plain}


def layers_of(image: AnnotatedImage, name: str | None = None) -> list[LayerData]:
    """A labels layer and a layer of polygons."""
    from ovseg_annotate.regions import labels_of  # noqa: PLC0415  slow to import

    called = image.name if name is None else name
    return [
        labels_layer(labels_of(image), Origin.of(image), f"{called} labels"),
        polygons_layer(image.regions, Origin.of(image), f"{called} polygons"),
    ]


def labels_layer(labels: Labels, origin: Origin, name: str) -> LayerData:
    """The labels (height, width) with a name and a colour for each."""
    keywords = {
        "name": name,
        "colormap": label_colours(origin.vocabulary),
        "features": label_features(origin.vocabulary, labels),
        "metadata": origin.as_metadata(),
    }
    return labels, keywords, "labels"


def polygons_layer(regions: Sequence[Region], origin: Origin, name: str) -> LayerData:
    """One shape a polygon; parts of a region share its number."""
    from ovseg_annotate.regions import polygons_of  # noqa: PLC0415  slow to import

    colours = dict(zip(origin.vocabulary.names, origin.vocabulary.colours, strict=True))
    parts = [
        (number, region, polygon)
        for number, region in enumerate(regions)
        for polygon in polygons_of(region)
    ]
    scores = [np.nan if region.confidence is None else region.confidence for _, region, _ in parts]
    keywords: dict[str, Any] = {
        "name": name,
        "shape_type": "polygon",
        "edge_color": [rgba(colours[region.concept]) for _, region, _ in parts],
        "face_color": "transparent",
        "edge_width": edge_width(origin.size),
        "features": {
            "class": [region.concept for _, region, _ in parts],
            "score": np.array(scores, np.float64),
            "region": np.array([number for number, _, _ in parts], np.int64),
        },
        "metadata": origin.as_metadata(),
    }
    if not parts:
        # napari cannot tell the dimensions of no shapes, nor the colours of none.
        keywords |= {"ndim": 2, "edge_color": "white", "features": {}}
    return [vertices_of(polygon) for _, _, polygon in parts], keywords, "shapes"


def label_colours(vocabulary: Vocabulary) -> dict[int | None, tuple[float, ...]]:
    """Napari's direct colours: one a label, the rest is not seen."""
    colours: dict[int | None, tuple[float, ...]] = {None: _TRANSPARENT, 0: _TRANSPARENT}
    for number, colour in enumerate(vocabulary.colours, start=1):
        colours[number] = rgba(colour)
    return colours


def label_features(vocabulary: Vocabulary, labels: Labels) -> Mapping[str, object]:
    """A row a label, so that the status bar tells names; the first is for what has no label."""
    count = len(vocabulary) + 1
    pixels = np.bincount(labels.reshape(-1), minlength=count)[:count]
    return {
        "index": np.arange(count),
        "class": [UNLABELLED_NAME, *vocabulary.names],
        "share": pixels / max(labels.size, 1),
    }


def vertices_of(polygon: Polygon) -> NDArray[np.float64]:
    """A polygon as napari draws it: (n, 2) of (row, column).

    The path goes back to its start after every hole: only steps taken both ways are not drawn, and
    napari's triangulation fails on many a polygon with two holes otherwise.
    """
    outline = _closed(polygon.outline)
    path = [outline]
    for hole in polygon.holes:
        # A hole may touch the outline where that starts, which must not look like going back.
        turned = np.roll(hole, -1, axis=0) if (hole[0] == outline[0]).all() else hole
        path += [_closed(turned), outline[:1]]
    return np.concatenate(path)[:, ::-1] - 0.5


def rings_of(vertices: NDArray[np.float64]) -> tuple[Ring, ...]:
    """The rings of what `vertices_of` gave, or of an outline that a person drew."""
    points = np.asarray(vertices, np.float64)[:, -1:-3:-1] + 0.5
    rings: list[Ring] = []
    start = 0
    while start < len(points):
        if rings and (points[start] == points[0]).all():  # back at the start between two holes
            start += 1
            continue
        again = np.flatnonzero((points[start + 1 :] == points[start]).all(axis=1))
        end = len(points) if not len(again) else start + 1 + int(again[0])
        rings.append(points[start:end])
        start = end + 1
    return tuple(ring for ring in rings if len(ring) >= 3)


def edge_width(size: Size) -> float:
    """Of polygons, in pixels: seen in the whole picture, thin beside what they surround."""
    return max(1.0, min(size.height, size.width) / _EDGE_SHARE)


def rgba(colour: Colour) -> tuple[float, float, float, float]:
    red, green, blue = (part / 255 for part in colour)
    return red, green, blue, 1.0


def _closed(ring: Ring) -> Ring:
    return np.concatenate((ring, ring[:1]))
