"""Annotated pictures with what is hard: holes, parts, names out of the alphabet's order."""

from __future__ import annotations

import numpy as np

from napari_plugin.layer_data import Labels
from ovseg_annotate.geometry import Size
from ovseg_annotate.label_map import LabelMap
from ovseg_annotate.provenance import Provenance
from ovseg_annotate.regions import AnnotatedImage, RegionOptions, regions_of
from ovseg_annotate.vocabulary import Vocabulary

WORDS = Vocabulary.parse("zebra: striped horse; apple #00ff80; -ground")
PROVENANCE = Provenance("fake@none", "0" * 64, str(WORDS), "sigma=3", "8 bit", "float32", "0")


def labels_with_a_hole() -> Labels:
    """A ring of zebra, an apple in its hole and another one at the border."""
    labels = np.zeros((40, 60), np.uint8)
    labels[5:35, 5:35] = 1
    labels[12:28, 12:28] = 0
    labels[16:24, 16:24] = 2
    labels[0:9, 50:60] = 2
    return labels


def picture(
    labels: Labels | None = None, *, name: str = "a.png", by_a_person: bool = False
) -> AnnotatedImage:
    """The regions of such labels, exact to the pixel."""
    painted = labels_with_a_hole() if labels is None else labels
    sure = np.full(painted.shape, 0.75, np.float16)
    options = RegionOptions(minimum_area=1, tolerance=0)
    regions = regions_of(LabelMap(painted, sure, sure, WORDS), options)
    provenance = None if by_a_person else PROVENANCE
    return AnnotatedImage(name, Size(*painted.shape), regions, WORDS, provenance)
