"""Polygons of what stands in a labels layer, traced in a worker."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_plugin.drafts import Mask
from napari_plugin.layer_data import Labels, vertices_of
from napari_plugin.pictures import Plane
from napari_plugin.uncertain_places import Place, places_of
from ovseg_annotate.label_map import LabelMap
from ovseg_annotate.region_options import RegionOptions
from ovseg_annotate.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A plane as it stands in its layers now, with what the machine knew about it."""

    plane: Plane
    labels: Labels  # a copy: the layer goes on changing
    persons: Mask  # what the person changed or accepted
    confidence: NDArray[np.float16]
    margin: NDArray[np.float16]
    vocabulary: Vocabulary


@dataclass(frozen=True, slots=True, eq=False)
class Outlines:
    """One entry a polygon, in the order in which they are drawn."""

    plane: Plane
    vertices: tuple[NDArray[np.float64], ...]  # (n, 2) of (row, column), closed rings
    labels: NDArray[np.int64]
    scores: NDArray[np.float64]  # mean confidence of the region
    regions: NDArray[np.int64]  # parts of one region share their number
    places: tuple[Place, ...] = ()  # in doubt, the most first

    def __len__(self) -> int:
        return len(self.vertices)


def outlines_of(drawn: Drawn, options: RegionOptions) -> Outlines:
    """Trace every region of a plane; nothing is too small any more that a person left there."""
    from ovseg_annotate.regions import regions_of  # noqa: PLC0415  slow to import

    label_map = label_map_of(drawn)
    regions = regions_of(label_map, replace(options, minimum_area=1))
    label_of = {name: label for label, name in enumerate(drawn.vocabulary.names, start=1)}
    parts = [
        (number, region, polygon)
        for number, region in enumerate(regions)
        for polygon in region.polygons
    ]
    return Outlines(
        plane=drawn.plane,
        vertices=tuple(vertices_of(polygon) for _, _, polygon in parts),
        labels=np.array([label_of[region.concept] for _, region, _ in parts], np.int64),
        scores=np.array([region.confidence for _, region, _ in parts], np.float64),
        regions=np.array([number for number, _, _ in parts], np.int64),
        places=places_of(label_map, regions),
    )


def label_map_of(drawn: Drawn) -> LabelMap:
    """The plane as a label map; a person is sure of what they did."""
    confidence, margin = drawn.confidence.copy(), drawn.margin.copy()
    confidence[drawn.persons] = 1
    margin[drawn.persons] = 1
    return LabelMap(drawn.labels, confidence, margin, drawn.vocabulary)
