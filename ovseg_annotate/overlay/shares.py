"""How much of a picture each concept covers, and how sure the engine was."""

from __future__ import annotations

from dataclasses import dataclass

from ovseg_annotate.regions import AnnotatedImage, Region, polygons_of


@dataclass(frozen=True, slots=True)
class ConceptShare:
    """One concept in one picture."""

    name: str
    regions: int
    share: float  # of the picture's pixels, 0 to 1
    confidence: float | None  # 0 to 1, mean over its pixels; None: nothing there, or a person's


def concept_shares(image: AnnotatedImage) -> tuple[ConceptShare, ...]:
    """The concepts of the vocabulary in order, absent ones included, negative ones not."""
    vocabulary = image.vocabulary
    return tuple(_share(image, vocabulary.names[label - 1]) for label in vocabulary.labels)


def area_of(region: Region) -> float:
    """Pixels of a region."""
    if region.mask is not None:
        return float(region.mask.area)
    return sum(polygon.area for polygon in polygons_of(region))


def _share(image: AnnotatedImage, name: str) -> ConceptShare:
    own = [region for region in image.regions if region.concept == name]
    areas = [area_of(region) for region in own]
    sure = [
        (area, region.confidence)
        for area, region in zip(areas, own, strict=True)
        if region.confidence is not None
    ]
    weight = sum(area for area, _ in sure)
    mean = sum(area * confidence for area, confidence in sure) / weight if weight else None
    return ConceptShare(name, len(own), sum(areas) / image.size.area, mean)
