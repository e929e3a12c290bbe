"""Regions: the connected pieces of a label map that people look at, correct and export."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.coverage import simplified_coverage
from ovseg_annotate.errors import VocabularyError, listed_by_nearness
from ovseg_annotate.geometry import Polygon, Size, Window
from ovseg_annotate.label_map import UNLABELLED, LabelMap, label_dtype
from ovseg_annotate.polygons import fill, from_shapely, trace
from ovseg_annotate.provenance import Provenance
from ovseg_annotate.region_options import RegionOptions, SplitOptions
from ovseg_annotate.runs import Components, RunMap, box_of, components_of, painted_in, runs_of
from ovseg_annotate.sieve import small_ones, with_small_merged, without_small
from ovseg_annotate.simplify import SimplifiedShapes, budgeted_shapes, fits, simplified_shapes
from ovseg_annotate.tracing import traced
from ovseg_annotate.vocabulary import Vocabulary

__all__ = [
    "AnnotatedImage",
    "Mask",
    "Region",
    "RegionOptions",
    "RegionReport",
    "Regions",
    "Removed",
    "SplitOptions",
    "labels_of",
    "mask_of",
    "polygons_of",
    "regions_of",
    "regions_with_report",
]

_EMPTY = Window(0, 0, 0, 0)
_DEFAULTS = RegionOptions()


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """The exact pixels of a region: one bit a pixel inside its box."""

    box: Window
    bits: NDArray[np.uint8]  # (ceil(height * width / 8),) np.packbits of the rows of the box

    @classmethod
    def of(cls, array: NDArray[np.bool_], top: int = 0, left: int = 0) -> Mask:
        """Pack the bool pixels of a box whose corner is at (top, left)."""
        return cls(Window(top, left, *array.shape), np.packbits(array))

    def array(self) -> NDArray[np.bool_]:
        """The pixels of the box, (height, width)."""
        count = self.box.height * self.box.width
        flat = np.unpackbits(self.bits, count=count).view(np.bool_)
        return flat.reshape(self.box.height, self.box.width)

    @property
    def area(self) -> int:
        return int(np.bitwise_count(self.bits).sum())


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """One suggestion or correction. At least one of `polygons` and `mask` is there."""

    concept: str  # the name in the vocabulary
    polygons: tuple[Polygon, ...]  # its parts; () when only the mask is known
    mask: Mask | None  # exact pixels; None when only polygons are known
    confidence: float | None = None  # 0 to 1, mean over its pixels; None: a person's
    margin: float | None = None  # 0 to 1, mean over its pixels


@dataclass(frozen=True, slots=True, eq=False)
class AnnotatedImage:
    """All regions of one picture: what the formats write and read."""

    name: str  # the picture's path relative to its folder, with forward slashes
    size: Size  # upright, after EXIF orientation
    regions: tuple[Region, ...]
    vocabulary: Vocabulary
    provenance: Provenance | None  # None for what people drew


@dataclass(frozen=True, slots=True)
class Removed:
    """What the minimum area took from one concept."""

    concept: str
    regions: int
    pixels: int


@dataclass(frozen=True, slots=True)
class RegionReport:
    """What was left out or changed on the way to the regions."""

    removed: tuple[Removed, ...]  # only concepts that lost something
    unsplit: int  # components too large to look for touching objects
    tolerance: float  # px, the largest applied
    vertices_before: int
    vertices: int
    within_budget: bool  # False when even triangles are too many; what missed it is unchanged
    mean_iou: float  # over polygons: with the exact pixels
    worst_iou: float
    below_minimum_iou: int  # polygons, because of the vertex budget or of shared borders


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """All regions of a label map, and what it took to get them."""

    regions: tuple[Region, ...]
    report: RegionReport


def regions_of(label_map: LabelMap, options: RegionOptions = _DEFAULTS) -> tuple[Region, ...]:
    """The regions of a label map: concept after concept, each in reading order."""
    return regions_with_report(label_map, options).regions


def regions_with_report(label_map: LabelMap, options: RegionOptions = _DEFAULTS) -> Regions:
    """The regions of a label map, and a report of what was left out or changed."""
    vocabulary = label_map.vocabulary
    found = components_of(_label_runs(label_map))
    removed = _removed(found, vocabulary, options.minimum_area)
    sieve = with_small_merged if options.small == "merge" else without_small
    kept, unsplit = sieve(found, options.minimum_area), 0
    if options.instances == "split":
        # Brings scipy.ndimage and scikit-image, which most runs do not need.
        from ovseg_annotate.instances import split_components  # noqa: PLC0415

        split = split_components(kept, options.split, label_map.confidence)
        kept, unsplit = split.components, split.too_large
    labelled = np.flatnonzero(kept.labels != UNLABELLED)
    outlines = _outlines(kept, labelled, options)
    polygons = dict(zip(labelled.tolist(), from_shapely(outlines.shapes), strict=False))
    groups = _groups(kept.labels, labelled, options)
    return Regions(
        tuple(_assembled(kept, groups, polygons, label_map)),
        _report(outlines, removed, unsplit, options),
    )


def mask_of(region: Region, size: Size) -> Mask:
    """The exact pixels of a region within a picture of this size, in their tight box."""
    if region.mask is not None:
        whole = region.mask.box
        box = _inside(whole, size)
        top, left = box.top - whole.top, box.left - whole.left
        pixels = region.mask.array()[top : top + box.height, left : left + box.width]
        return _tight(pixels, box)
    if not region.polygons:
        return Mask(_EMPTY, np.empty(0, np.uint8))
    outlines = np.concatenate([polygon.outline for polygon in region.polygons])
    left, top = np.floor(outlines.min(axis=0)).astype(int).tolist()
    right, bottom = np.ceil(outlines.max(axis=0)).astype(int).tolist()
    box = _inside(Window(top, left, bottom - top, right - left), size)
    return _tight(fill(region.polygons, box), box)


def polygons_of(region: Region) -> tuple[Polygon, ...]:
    """The parts of a region; traced exactly when only its mask is known."""
    if region.polygons or region.mask is None:
        return region.polygons
    return trace(region.mask.array(), region.mask.box.top, region.mask.box.left)


def labels_of(annotated: AnnotatedImage) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Paint the regions as labels, (height, width), large ones first."""
    names = annotated.vocabulary.names
    number_of = {name: number for number, name in enumerate(names, start=1)}
    shape = (annotated.size.height, annotated.size.width)
    labels: NDArray[Any] = np.zeros(shape, label_dtype(annotated.vocabulary))
    masks = [(mask_of(region, annotated.size), region.concept) for region in annotated.regions]
    for mask, concept in sorted(masks, key=lambda each: -each[0].area):
        if concept not in number_of:
            raise VocabularyError(
                f"{annotated.name}: region of unknown concept {concept!r}; the vocabulary has: "
                f"{listed_by_nearness(concept, names)}"
            )
        labels[mask.box.slices][mask.array()] = number_of[concept]
    return labels


def _label_runs(label_map: LabelMap) -> RunMap:
    """The runs of the labels; what is not to be labelled counts as unlabelled."""
    runs = runs_of(label_map.labels)
    count = len(label_map.vocabulary)
    if runs.values.max(initial=0) > count:
        raise ValueError(f"label {runs.values.max()} in a map of {count} concepts")
    shown = np.zeros(count + 1, np.int32)
    allowed = list(label_map.vocabulary.labels)
    shown[allowed] = allowed
    return runs.with_values(shown[runs.values])


def _removed(found: Components, vocabulary: Vocabulary, minimum_area: int) -> tuple[Removed, ...]:
    small = small_ones(found, minimum_area)
    labels, areas = found.labels[small], found.areas[small]
    regions = np.bincount(labels)
    pixels = np.bincount(labels, areas).astype(np.int64)
    return tuple(
        Removed(vocabulary.names[label - 1], int(regions[label]), int(pixels[label]))
        for label in np.flatnonzero(regions)
    )


def _outlines(
    kept: Components, labelled: NDArray[np.int64], options: RegionOptions
) -> SimplifiedShapes:
    if options.polygons == "none":
        labelled = labelled[:0]
    if options.polygons == "gap-free":
        faces = simplified_coverage(kept, options.tolerance, options.minimum_iou, options.budget)
        return faces.taken(labelled)
    exact = traced(kept, labelled, "middles")
    simplified = simplified_shapes(exact, options.tolerance, options.minimum_iou)
    return budgeted_shapes(exact, simplified, options.budget)


def _groups(
    labels: NDArray[np.int32], labelled: NDArray[np.int64], options: RegionOptions
) -> Iterator[NDArray[np.int64]]:
    """The components of each region, concept after concept."""
    ordered = labelled[np.argsort(labels[labelled], kind="stable")]
    if options.instances == "concept":
        cuts = np.flatnonzero(np.diff(labels[ordered])) + 1
        return iter(np.split(ordered, cuts) if len(ordered) else [])
    return iter(ordered[:, None])


def _assembled(
    kept: Components,
    groups: Iterable[NDArray[np.int64]],
    polygons: Mapping[int, Polygon],
    label_map: LabelMap,
) -> Iterator[Region]:
    """Make a region of each group of components; `polygons` is empty when none are wanted."""
    members = kept.members()
    confidence, margin = kept.totals(label_map.confidence), kept.totals(label_map.margin)
    for parts in groups:
        runs = np.sort(np.concatenate([members[part] for part in parts]))
        box = box_of(kept.runs, runs)
        area = kept.areas[parts].sum()
        yield Region(
            concept=label_map.vocabulary.names[kept.labels[parts[0]] - 1],
            polygons=tuple(polygons[part] for part in parts.tolist() if part in polygons),
            mask=Mask.of(painted_in(box, kept.runs, runs), box.top, box.left),
            confidence=float(confidence[parts].sum() / area),
            margin=float(margin[parts].sum() / area),
        )


def _report(
    outlines: SimplifiedShapes,
    removed: tuple[Removed, ...],
    unsplit: int,
    options: RegionOptions,
) -> RegionReport:
    iou = outlines.iou
    return RegionReport(
        removed=removed,
        unsplit=unsplit,
        tolerance=float(outlines.tolerances.max(initial=0.0)),
        vertices_before=outlines.vertices_before,
        vertices=outlines.vertices,
        within_budget=fits(outlines.shapes, options.budget),
        mean_iou=float(iou.mean()) if len(iou) else 1.0,
        worst_iou=float(iou.min(initial=1.0)),
        below_minimum_iou=int(np.count_nonzero(iou < options.minimum_iou)),
    )


def _inside(box: Window, size: Size) -> Window:
    """The part of a box that lies within the picture."""
    top, left = max(box.top, 0), max(box.left, 0)
    bottom, right = min(box.bottom, size.height), min(box.right, size.width)
    if bottom <= top or right <= left:
        return _EMPTY
    return Window(top, left, bottom - top, right - left)


def _tight(pixels: NDArray[np.bool_], box: Window) -> Mask:
    """Pack the pixels of a box after cutting its empty borders off."""
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    if len(rows) == 0:
        return Mask(_EMPTY, np.empty(0, np.uint8))
    top, left = int(rows[0]), int(columns[0])
    cut = pixels[top : int(rows[-1]) + 1, left : int(columns[-1]) + 1]
    return Mask.of(cut, box.top + top, box.left + left)
