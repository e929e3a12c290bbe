"""What a person changed in the labels of a picture, as regions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_plugin.layer_data import Labels, Origin
from napari_plugin.layer_reading import painted_picture
from ovseg_annotate.label_map import UNLABELLED
from ovseg_annotate.regions import AnnotatedImage, Region, mask_of


def corrected_picture(before: AnnotatedImage, painted: Labels, labels: Labels) -> AnnotatedImage:
    """The picture as it is now: regions that nobody touched stay as they are, others are new.

    `painted` are the labels of `before`, (height, width), and `labels` those of now.
    """
    touched = _grown(labels != painted)
    numbers = {name: number for number, name in enumerate(before.vocabulary.names, start=1)}
    rest, kept = labels.copy(), list[Region]()
    for region in before.regions:
        mask = mask_of(region, before.size)
        pixels = mask.array()
        if touched[mask.box.slices][pixels].any():
            continue
        kept.append(region)
        # Smaller regions that lie over this one are drawn there, so only its own pixels go.
        window = rest[mask.box.slices]
        window[pixels & (window == numbers[region.concept])] = UNLABELLED
    drawn = painted_picture(rest, replace(Origin.of(before), provenance=None))
    return replace(drawn, regions=(*kept, *drawn.regions))


def accepted_picture(image: AnnotatedImage) -> AnnotatedImage:
    """The same as a person's answer: nobody is more or less sure of it."""
    regions = tuple(replace(region, confidence=None, margin=None) for region in image.regions)
    return replace(image, regions=regions, provenance=None)


def _grown(changed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """With the pixels beside them: what is painted next to a region grows it."""
    grown = changed.copy()
    grown[1:] |= changed[:-1]
    grown[:-1] |= changed[1:]
    grown[:, 1:] |= changed[:, :-1]
    grown[:, :-1] |= changed[:, 1:]
    return grown
