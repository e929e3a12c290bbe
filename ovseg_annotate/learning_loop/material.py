"""What corrections say of an engine's cells: all that learning sees of a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.card import FoldRule
from ovseg_annotate.geometry import Size
from ovseg_annotate.image import Image
from ovseg_annotate.learning_loop.corrections import Correction, Stated
from ovseg_annotate.learning_loop.entries import digest_of
from ovseg_annotate.learning_loop.phrasing import Phrasing
from ovseg_annotate.lessons.lesson import NOTHING
from ovseg_annotate.pointing.cells import CellEvidence, Grid, cover
from ovseg_annotate.pointing.marks import AreaMark
from ovseg_annotate.vocabulary import Vocabulary

MOST_CELLS = 2048  # of a picture
_LEAST = 0.05  # of a cell's area that has to be known
BLOCKS = 4  # across what was corrected, in either direction


@dataclass(frozen=True, slots=True)
class Asked:
    """How the pictures of a project are asked for, and where they are."""

    vocabulary: Vocabulary
    options: AnnotateOptions
    picture: Callable[[str], Image]  # by its name in the journal


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """The concepts that compete: one column for each that is labelled, the last for none of them.

    Everything negative means "none of them", whichever word it is.
    """

    names: tuple[str, ...]  # in lower case, then NOTHING
    negative: tuple[int, ...]  # numbers of the negative concepts in the vocabulary
    labelled: tuple[int, ...]  # numbers of the others
    phrasing: Phrasing | None = None  # None: no phrase can be told from others of its concept

    @classmethod
    def of(cls, vocabulary: Vocabulary, rule: FoldRule | None = None) -> Columns:
        """The columns of some words; `rule` where phrases were told apart."""
        numbered = list(enumerate(vocabulary))
        labelled = tuple(number for number, concept in numbered if not concept.negative)
        negative = tuple(number for number, concept in numbered if concept.negative)
        names = [vocabulary.names[number].casefold() for number in labelled]
        phrasing = None if rule is None else Phrasing.of(vocabulary, rule)
        return cls((*names, NOTHING), negative, labelled, phrasing)

    def merged(self, log_odds: NDArray[np.float32]) -> NDArray[np.float64]:
        """(cells, concepts) -> (cells, columns); without negative concepts the last is -inf."""
        whole = log_odds.astype(np.float64)
        none = np.full((len(whole), 1), -np.inf)
        if self.negative:
            none = np.logaddexp.reduce(whole[:, self.negative], axis=1, keepdims=True)
        return np.concatenate([whole[:, self.labelled], none], axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What one correction says of the cells of its picture, in an order whose starts are samples.

    Cells are drawn by turns from each concept that they are mostly known of, so that a small area
    is seen as well as a large one.
    """

    picture: str
    digest: str  # of the correction
    image: str  # key of the pixels
    vectors: NDArray[np.float32]  # (cells, width), unit; width 0: the engine has none
    log_odds: NDArray[np.float64]  # (cells, columns) of the words alone
    phrases: NDArray[np.float32]  # (cells, phrases) of those that share a concept; width 0: none
    certain: NDArray[np.float64]  # (cells, columns) share of a cell that is certainly that
    rejected: NDArray[np.float64]  # (cells, columns) share that certainly is not
    kinds: NDArray[np.int64]  # (cells,) what a cell was drawn for
    totals: NDArray[np.int64]  # (kinds,) cells of the whole picture
    blocks: NDArray[np.int64]  # (cells,) the block of what was corrected that a cell lies in

    def __len__(self) -> int:
        return len(self.log_odds)

    @property
    def is_sample(self) -> bool:
        """Whether there are more cells to know of the picture."""
        return len(self) < int(self.totals.sum())

    @property
    def nbytes(self) -> int:
        """Of all numbers."""
        arrays = (getattr(self, each.name) for each in fields(self))
        return sum(each.nbytes for each in arrays if isinstance(each, np.ndarray))

    def first(self, cells: int) -> Material:
        """A smaller sample of the same correction."""
        if cells >= len(self):
            return self
        return self._some(np.arange(cells), self.totals)

    def part(self, chosen: NDArray[np.bool_]) -> Material:
        """Some cells as if nothing were known of the others."""
        before, after = (
            np.bincount(kinds, minlength=len(self.totals))
            for kinds in (self.kinds, self.kinds[chosen])
        )
        own = self.totals / np.maximum(before, 1) * after
        return self._some(np.flatnonzero(chosen), own.round().astype(np.int64))

    def _some(self, places: NDArray[np.int64], totals: NDArray[np.int64]) -> Material:
        return replace(
            self,
            vectors=self.vectors[places],
            log_odds=self.log_odds[places],
            phrases=self.phrases[places],
            certain=self.certain[places],
            rejected=self.rejected[places],
            kinds=self.kinds[places],
            totals=totals,
            blocks=self.blocks[places],
        )


def material_of(
    correction: Correction, columns: Columns, evidence: CellEvidence, image: str
) -> Material:
    """Bring a correction to the cells of its picture, whose pixels have that key."""
    digest = digest_of(correction)
    grid = evidence.grid
    cells = grid.part.size.area
    certain = _shares(correction.certain, columns, grid, cells)
    rejected = _shares(correction.rejected, columns, grid, cells)
    log_odds = columns.merged(evidence.log_odds)
    if not columns.negative:  # nothing competes that could win where none of the concepts is
        certain[:, -1] = 0
        if len(columns.labelled) == 1:  # nor where the only one was rejected
            rejected[...] = 0
    # Where it is certain that none of the concepts is, no single one needs rejecting any more.
    rejected = np.minimum(rejected, np.maximum(1 - certain.sum(axis=1, keepdims=True), 0))
    shares = np.concatenate([certain, rejected], axis=1)
    order = _drawn(shares, digest)
    vectors, phrases = evidence.vectors, evidence.phrases
    kinds = shares.argmax(axis=1)
    known = shares.sum(axis=1) >= _LEAST
    return Material(
        correction.picture,
        digest,
        image,
        np.empty((len(order), 0), np.float32) if vectors is None else vectors[order],
        log_odds[order],
        np.empty((len(order), 0), np.float32) if phrases is None else phrases[order],
        certain[order],
        rejected[order],
        kinds[order],
        np.bincount(kinds[known], minlength=shares.shape[1]),
        _blocks(order, grid),
    )


def corrected_box(correction: Correction) -> tuple[float, float, float, float] | None:
    """(left, top, right, bottom) of what is known of a picture; None when that is nothing."""
    boxes = [each.mask.box for each in (*correction.certain, *correction.rejected)]
    if not boxes:
        return None
    return (
        float(min(box.left for box in boxes)),
        float(min(box.top for box in boxes)),
        float(max(box.right for box in boxes)),
        float(max(box.bottom for box in boxes)),
    )


def _shares(
    areas: Sequence[Stated], columns: Columns, grid: Grid, cells: int
) -> NDArray[np.float64]:
    """(cells, columns): how much of each cell is stated to be (or not) each concept."""
    shares = np.zeros((cells, len(columns.names)))
    for stated in areas:
        name = stated.concept.casefold()
        if name in columns.names:
            shares[:, columns.names.index(name)] += cover(_mark(stated, grid.picture), grid).ravel()
    return shares


def _mark(stated: Stated, size: Size) -> AreaMark:
    whole = np.zeros((size.height, size.width), np.bool_)
    whole[stated.mask.box.slices] = stated.mask.array()
    return AreaMark(stated.concept or "nothing", whole)


def _drawn(shares: NDArray[np.float64], seed: str) -> NDArray[np.int64]:
    """Numbers of cells: the first of each kind by lot, then the second of each, ...

    Which kind begins is by lot as well: who takes only a few cells of many pictures sees all kinds.
    """
    lot = np.random.default_rng(int(seed[:16], 16))
    known = lot.permutation(np.flatnonzero(shares.sum(axis=1) >= _LEAST))
    kinds = shares[known].argmax(axis=1)
    turns = np.zeros(len(known), np.int64)
    for kind in np.unique(kinds):
        own = kinds == kind
        turns[own] = np.arange(np.count_nonzero(own))
    ranks = lot.permutation(shares.shape[1])
    drawn: NDArray[np.int64] = known[np.lexsort((ranks[kinds], turns))[:MOST_CELLS]]
    return drawn


def _blocks(cells: NDArray[np.int64], grid: Grid) -> NDArray[np.int64]:
    """Which of 4 x 4 blocks of what was corrected each cell lies in."""
    rows, columns = np.divmod(cells, grid.part.width)
    down = rows * BLOCKS // max(grid.part.height, 1)
    across = columns * BLOCKS // max(grid.part.width, 1)
    blocks: NDArray[np.int64] = down * BLOCKS + across
    return blocks


def some_of(materials: Sequence[Material], cells: int) -> tuple[Material, ...]:
    """Samples of all, no more than `cells` together; what small ones leave over others may use."""
    left, some = cells, dict[str, Material]()
    for number, each in enumerate(sorted(materials, key=len)):
        some[each.picture] = each.first(max(left // (len(materials) - number), 1))
        left -= len(some[each.picture])
    return tuple(some[each.picture] for each in materials)
