"""GeoJSON (RFC 7946): one FeatureCollection a picture.

Frame: pixel edges, x to the right and y down, not longitude and latitude; the collection's
`properties` say so and hold name, size, vocabulary and provenance. Holes are interior rings and
regions of several parts MultiPolygons. Rings are closed; outlines have a positive shoelace sum
in the numbers as written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ovseg_annotate.formats.atomic import atomic_file
from ovseg_annotate.formats.concepts import parsed_vocabulary
from ovseg_annotate.formats.fields import Field, plain_json, read_json
from ovseg_annotate.formats.file_names import FileNames, files_below
from ovseg_annotate.formats.native import provenance_of
from ovseg_annotate.formats.outlines import (
    pairs_of,
    repaired_at,
    ring_of_pairs,
    shown_polygons,
    within,
)
from ovseg_annotate.geometry import Polygon, Ring, Size
from ovseg_annotate.regions import AnnotatedImage, Region
from ovseg_annotate.vocabulary import Vocabulary

SUFFIX = ".geojson"

_FRAME = "pixels: x to the right, y down, pixel edges; the picture spans (0, 0) to (width, height)"


@dataclass(frozen=True, slots=True)
class GeoJsonOptions:
    """How coordinates are written."""

    decimals: int = 4  # of a pixel


_DEFAULTS = GeoJsonOptions()


def write(
    images: Iterable[AnnotatedImage], folder: Path, options: GeoJsonOptions = _DEFAULTS
) -> tuple[Path, ...]:
    """Write <picture>.geojson for each picture."""
    names = FileNames(twins=True)
    for image in images:
        with atomic_file(folder / f"{names.stem_of(image.name)}{SUFFIX}") as file:
            file.write(plain_json(_collection(image, options)).encode("ascii") + b"\n")
    return (folder,)


def read(path: Path) -> Iterator[AnnotatedImage]:
    """Read one file, or all below a folder."""
    for file in files_below(path, SUFFIX) if path.is_dir() else (path,):
        yield _image(read_json(file))


def _collection(image: AnnotatedImage, options: GeoJsonOptions) -> dict[str, object]:
    properties = {
        "frame": _FRAME,
        "image": image.name,
        "width": image.size.width,
        "height": image.size.height,
        "vocabulary": str(image.vocabulary),
        "provenance": None if image.provenance is None else image.provenance.as_plain(),
    }
    features = [
        _feature(number, region, shown_polygons(region, image), options)
        for number, region in enumerate(image.regions, start=1)
    ]
    return {"type": "FeatureCollection", "properties": properties, "features": features}


def _feature(
    number: int, region: Region, polygons: tuple[Polygon, ...], options: GeoJsonOptions
) -> dict[str, object]:
    rings = [
        [[*pairs, pairs[0]] for pairs in (pairs_of(ring, options.decimals) for ring in each.rings)]
        for each in polygons
    ]
    single = len(rings) == 1
    return {
        "type": "Feature",
        "id": number,
        "properties": {
            "concept": region.concept,
            "score": region.confidence,
            "margin": region.margin,
        },
        "geometry": {
            "type": "Polygon" if single else "MultiPolygon",
            "coordinates": rings[0] if single else rings,
        },
    }


def _image(field: Field) -> AnnotatedImage:
    if field.get("type").value != "FeatureCollection":
        raise field.get("type").wrong("'FeatureCollection'")
    properties = field.get("properties")
    size = properties.size()
    words = properties.get("vocabulary")
    vocabulary = parsed_vocabulary(words.text(), words.where)
    regions = (_region(item, size, vocabulary) for item in field.get("features").items())
    return AnnotatedImage(
        properties.get("image").text(),
        size,
        tuple(region for region in regions if region.polygons),
        vocabulary,
        provenance_of(properties),
    )


def _region(feature: Field, size: Size, vocabulary: Vocabulary) -> Region:
    properties, geometry = feature.get("properties"), feature.get("geometry")
    concept = properties.get("concept")
    if concept.text() not in vocabulary.names:
        raise concept.wrong("a concept of the collection's vocabulary")
    kind, coordinates = geometry.get("type"), geometry.get("coordinates")
    if kind.value not in ("Polygon", "MultiPolygon"):
        raise kind.wrong("'Polygon' or 'MultiPolygon'")
    polygons: list[Polygon] = []
    for part in (coordinates,) if kind.value == "Polygon" else coordinates.items():
        rings = [_open_ring(ring) for ring in part.items()]
        if rings:
            polygons += repaired_at(part.where, Polygon(rings[0], tuple(rings[1:])))
    score, margin = properties.find("score"), properties.find("margin")
    return Region(
        concept.text(),
        within(polygons, size),
        None,
        None if score is None else score.share(),
        None if margin is None else margin.share(),
    )


def _open_ring(field: Field) -> Ring:
    ring = ring_of_pairs(field)
    return ring[:-1] if len(ring) > 1 and np.array_equal(ring[0], ring[-1]) else ring
