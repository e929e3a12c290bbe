"""Pictures to write and read, shared by the tests of all formats."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ovseg_annotate.formats.catalogue import format_named
from ovseg_annotate.formats.pixel_maps import connected_masks
from ovseg_annotate.geometry import Polygon, Size
from ovseg_annotate.provenance import Provenance
from ovseg_annotate.regions import AnnotatedImage, Mask, Region
from ovseg_annotate.vocabulary import Vocabulary

PROVENANCE = Provenance(
    model="naclip@mini",
    weights_digest="0123abcd",
    vocabulary="car; road; -anything else",
    options="AnnotateOptions(scale=1.0)",
    image="upright RGB",
    precision="float32",
    version="0.1",
)
WORDS = 'car: sedan, "pickup; truck" @0.4 #10ff20; road; -glass slide; sky'


@pytest.fixture(scope="session")
def provenance() -> Provenance:
    return PROVENANCE


@pytest.fixture(scope="session")
def words() -> str:
    return WORDS


@pytest.fixture(scope="session")
def image_of_labels() -> Callable[..., AnnotatedImage]:
    """A picture whose regions are the connected pieces of a label map, with exact masks."""

    def build(
        labels: NDArray[np.int_],
        name: str = "photos/Straße am Ufer.v2.jpg",
        vocabulary: str = WORDS,
        provenance: Provenance | None = PROVENANCE,
    ) -> AnnotatedImage:
        concepts = Vocabulary.parse(vocabulary)
        regions = tuple(
            Region(concepts.names[value - 1], (), mask, 0.25, 0.125)
            for value, mask in connected_masks(labels.astype(np.uint16))
            if value
        )
        return AnnotatedImage(name, Size(*labels.shape), regions, concepts, provenance)

    return build


@pytest.fixture(scope="session")
def image_of_masks() -> Callable[..., AnnotatedImage]:
    """A picture of the first concept, one region a mask of the whole picture."""

    def build(*masks: NDArray[np.bool_], name: str = "a.png") -> AnnotatedImage:
        vocabulary = Vocabulary.parse(WORDS)
        regions = tuple(Region("car", (), Mask.of(mask)) for mask in masks)
        return AnnotatedImage(name, Size(*masks[0].shape), regions, vocabulary, None)

    return build


@pytest.fixture(scope="session")
def small_region() -> AnnotatedImage:
    """3 x 2 pixels at column 4, row 5 of a 20 x 10 picture, as outline and as mask."""
    outline = np.array([(4.0, 5.0), (7.0, 5.0), (7.0, 7.0), (4.0, 7.0)])
    region = Region("road", (Polygon(outline),), Mask.of(np.ones((2, 3), bool), 5, 4), 0.5, 0.25)
    return AnnotatedImage("a.png", Size(10, 20), (region,), Vocabulary.parse(WORDS), PROVENANCE)


@pytest.fixture(scope="session")
def again() -> Callable[..., list[AnnotatedImage]]:
    """Write in a format and read back."""

    def there_and_back(
        name: str, images: Iterable[AnnotatedImage], options: object = None
    ) -> list[AnnotatedImage]:
        with tempfile.TemporaryDirectory() as folder:
            chosen = format_named(name)
            chosen.write(images, Path(folder), options)
            return list(chosen.read(Path(folder)))

    return there_and_back
