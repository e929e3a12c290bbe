"""What a correction costs: what a person did to a suggestion, and what they let stand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.errors import FormatError
from ovseg_annotate.evaluation.instances import overlaps
from ovseg_annotate.geometry import Size
from ovseg_annotate.regions import AnnotatedImage, Mask, Region, labels_of, mask_of, polygons_of
from ovseg_annotate.vocabulary import Vocabulary

MATCHED = 0.5  # IoU from which two regions are one and the same, before and after
_STEPS = 4  # of a px: vertices nearer than one step did not move


@dataclass(frozen=True, slots=True)
class Effort:
    """What was done to suggestions; add those of several pictures."""

    pictures: int = 1
    pixels_relabelled: int = 0
    vertices_moved: int = 0  # of outlines drawn by hand; painted areas have none
    vertices_added: int = 0
    vertices_deleted: int = 0
    regions_kept: int = 0  # as they were
    regions_changed: int = 0  # in outline or concept
    regions_removed: int = 0
    regions_drawn: int = 0  # where nothing was suggested

    def __add__(self, other: Effort) -> Effort:
        return Effort(
            *(getattr(self, each.name) + getattr(other, each.name) for each in fields(Effort))
        )


@dataclass(frozen=True, slots=True)
class VersionEffort:
    """What the suggestions of one model version cost people."""

    version: str  # digest of provenance; "" for pictures without a suggestion
    effort: Effort

    @property
    def pixels_a_picture(self) -> float:
        return self.effort.pixels_relabelled / self.effort.pictures

    @property
    def kept_share(self) -> float:
        """Share of the suggested regions that people left as they were; 1 where none were."""
        effort = self.effort
        suggested = effort.regions_kept + effort.regions_changed + effort.regions_removed
        return effort.regions_kept / suggested if suggested else 1.0


@dataclass(frozen=True, slots=True)
class Pair:
    """A suggested region and what became of it, by their places."""

    suggested: int
    left: int
    same: bool  # in outline and concept


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """A suggestion and what a person left of it, in the same words and region by region."""

    vocabulary: Vocabulary  # of both
    suggested: tuple[Region, ...]
    left: tuple[Region, ...]  # those that are the same have the pixels that were suggested
    pairs: tuple[Pair, ...]
    before: NDArray[np.unsignedinteger]  # (height, width) labels of the vocabulary
    after: NDArray[np.unsignedinteger]

    @property
    def kept(self) -> frozenset[int]:
        """The places in `left` of what is as it was suggested."""
        return frozenset(pair.left for pair in self.pairs if pair.same)


def compared(suggested: AnnotatedImage | None, left: AnnotatedImage) -> Comparison:
    """Find out what became of each region; without a suggestion everything is new."""
    if suggested is None:
        suggested = replace(left, regions=())
    if suggested.size != left.size:
        raise FormatError(
            f"{left.name}: the suggestion is {suggested.size} and the correction {left.size}; "
            "they must be of one picture: annotate it again, or correct the file that is here now"
        )
    vocabulary, before = _in_shared_words(suggested, left)
    pairs = _pairs(before, left.regions, left.size)
    after = list(left.regions)
    for pair in pairs:
        if pair.same:
            after[pair.left] = before[pair.suggested]
    shared = replace(left, vocabulary=vocabulary)
    return Comparison(
        vocabulary,
        before,
        tuple(after),
        pairs,
        labels_of(replace(shared, regions=before)),
        labels_of(replace(shared, regions=tuple(after))),
    )


def effort_of(comparison: Comparison) -> Effort:
    """Count what a person did."""
    changed = [pair for pair in comparison.pairs if not pair.same]
    drawn = set(range(len(comparison.left))) - {pair.left for pair in comparison.pairs}
    steps = [
        _vertex_steps(comparison.suggested[pair.suggested], comparison.left[pair.left])
        for pair in changed
    ]
    steps += [_vertex_steps(None, comparison.left[place]) for place in drawn]
    moved, added, deleted = np.array(steps or [(0, 0, 0)]).sum(axis=0).tolist()
    return Effort(
        pixels_relabelled=int(np.count_nonzero(comparison.before != comparison.after)),
        vertices_moved=moved,
        vertices_added=added,
        vertices_deleted=deleted,
        regions_kept=len(comparison.pairs) - len(changed),
        regions_changed=len(changed),
        regions_removed=len(comparison.suggested) - len(comparison.pairs),
        regions_drawn=len(drawn),
    )


def by_version(efforts: Iterable[tuple[str, Effort]]) -> tuple[VersionEffort, ...]:
    """Sum what pictures cost, version by version, in the order in which they first occur."""
    totals: dict[str, Effort] = {}
    for version, effort in efforts:
        totals[version] = totals.get(version, Effort(pictures=0)) + effort
    return tuple(VersionEffort(version, effort) for version, effort in totals.items())


def _in_shared_words(
    suggested: AnnotatedImage, left: AnnotatedImage
) -> tuple[Vocabulary, tuple[Region, ...]]:
    """The correction's words with those that only the suggestion has, and its regions in them."""
    spelling = {name.casefold(): name for name in left.vocabulary.names}
    extra = [each for each in suggested.vocabulary if each.name.casefold() not in spelling]
    spelling |= {each.name.casefold(): each.name for each in extra}
    regions = tuple(
        replace(region, concept=spelling[region.concept.casefold()]) for region in suggested.regions
    )
    return Vocabulary((*left.vocabulary, *extra)), regions


def _pairs(before: Sequence[Region], after: Sequence[Region], size: Size) -> tuple[Pair, ...]:
    """Give each region the one it overlaps most, the best pairs first."""
    if not before or not after:
        return ()
    painted = [mask_of(region, size) for region in before]
    outlined = [mask_of(_as_outline(region), size) for region in before]
    said = {True: painted, False: outlined}
    left = [mask_of(region, size) for region in after]
    iou = np.zeros((len(before), len(after)))
    for by_mask, masks in said.items():
        # Like is compared with like: a simplified outline is not quite the pixels it stands for.
        columns = [place for place, each in enumerate(after) if (each.mask is not None) is by_mask]
        if columns:
            iou[:, columns] = _iou(masks, [left[place] for place in columns])
    rows, places = np.nonzero(iou >= MATCHED)
    candidates = list(zip(rows.tolist(), places.tolist(), strict=True))
    renamed = np.array([before[row].concept != after[place].concept for row, place in candidates])
    pairs: dict[int, Pair] = {}  # by the place in `after`
    taken: set[int] = set()
    for best in np.lexsort((places, rows, renamed, -iou[rows, places])).tolist():
        row, place = candidates[best]
        if row in taken or place in pairs:
            continue
        taken.add(row)
        own = said[after[place].mask is not None][row]
        same = not renamed[best] and not _differ(own, left[place])
        pairs[place] = Pair(row, place, same)
    return tuple(pairs[place] for place in sorted(pairs))


def _as_outline(region: Region) -> Region:
    return replace(region, mask=None) if region.polygons else region


def _iou(rows: Sequence[Mask], columns: Sequence[Mask]) -> NDArray[np.float64]:
    shared = overlaps(rows, columns)
    areas = [np.array([mask.area for mask in masks], np.int64) for masks in (rows, columns)]
    iou: NDArray[np.float64] = shared / np.maximum(areas[0][:, None] + areas[1] - shared, 1)
    return iou


def _differ(one: Mask, other: Mask) -> bool:
    """Whether two masks differ by more than what rounding in a file does.

    Rounding moves an outline by less than a pixel and turns over single ones along it; a person
    who changes something turns over a square of 2 x 2 somewhere.
    """
    boxes = (one.box, other.box)
    top, left = min(box.top for box in boxes), min(box.left for box in boxes)
    bottom, right = max(box.bottom for box in boxes), max(box.right for box in boxes)
    apart = np.zeros((bottom - top, right - left), np.bool_)
    for mask in (one, other):
        inside = replace(mask.box, top=mask.box.top - top, left=mask.box.left - left)
        apart[inside.slices] ^= mask.array()
    rows = apart[1:] & apart[:-1]
    return bool((rows[:, 1:] & rows[:, :-1]).any())


def _vertex_steps(before: Region | None, after: Region) -> tuple[int, int, int]:
    """Vertices moved, added and deleted; a vertex that went and one that came are one moved."""
    if after.mask is not None:
        return 0, 0, 0
    old = Counter[tuple[int, int]]() if before is None else _vertices(before)
    new = _vertices(after)
    went, came = (old - new).total(), (new - old).total()
    moved = min(went, came)
    return moved, came - moved, went - moved


def _vertices(region: Region) -> Counter[tuple[int, int]]:
    points = [ring for polygon in polygons_of(region) for ring in polygon.rings]
    steps = np.rint(np.concatenate(points) * _STEPS).astype(np.int64).tolist()
    return Counter((x, y) for x, y in steps)
