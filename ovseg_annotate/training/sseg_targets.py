"""What a student of S-Seg+ learns from: a teacher's labels, and over them what people corrected."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ovseg_annotate.datasets.corrected import corrected_in_export, corrected_set
from ovseg_annotate.datasets.scenes import draw_scene
from ovseg_annotate.datasets.scenes.scene import SceneRules, SceneStyle
from ovseg_annotate.errors import ImageError, OptionError, VocabularyError, listed_by_nearness
from ovseg_annotate.geometry import Size
from ovseg_annotate.image import read_image
from ovseg_annotate.label_map import UNLABELLED
from ovseg_annotate.resampling import resampled
from ovseg_annotate.training.scene_seeds import scene_seeds
from ovseg_annotate.training.sseg_batches import stacked
from ovseg_annotate.vocabulary import Vocabulary

_PICTURE_FILES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"})
_SCENES = 1  # added to the seed: other scenes than those that the teacher saw


@dataclass(frozen=True, slots=True)
class TargetPictures:
    """The pictures that the student will be used on, or ones like them."""

    pictures: int = 32  # a batch
    side: int = 96  # pixels, both sides of the windows that are cut from them
    folder: str | None = None  # unlabelled pictures; None: generated scenes
    scenes: int = 512  # how many of those
    seed: int = 0  # of scenes and windows
    corrections: str | None = None  # an export of corrected pictures
    written_in: str = "coco"  # its format
    corrected_pictures: str | None = None  # folder of their pictures; None: beside the export
    windows: int = 4  # of a picture from a file

    def __post_init__(self) -> None:
        for name in ("pictures", "side", "scenes", "windows"):
            if getattr(self, name) < 1:
                raise OptionError(f"{name}: got {getattr(self, name)}; it must be at least 1")


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """A window, and what a person said of its pixels."""

    pixels: NDArray[np.uint8]  # (side, side, 3)
    certain: NDArray[np.uint16]  # (side, side), concept number + 1; 0: nobody said anything


@dataclass(frozen=True, slots=True, eq=False)
class LabelledBatch:
    """Row k of everything is about picture k."""

    pictures: Tensor  # (pictures, 3, side, side) uint8
    labels: Tensor  # (pictures, side, side) int64, concept number + 1; 0 is not learnt from
    weights: Tensor  # (pictures, side, side) float32
    cells: Tensor | None = None  # of the frozen tower, where there is one


# (pictures, 3, side, side) uint8 -> labels of the teacher, and cells of the frozen tower
Teaching = Callable[[Tensor], tuple[Tensor, Tensor | None]]


class TargetBatches:
    """Batches by number of windows that are labelled once and kept."""

    def __init__(
        self,
        options: TargetPictures,
        vocabulary: Vocabulary,
        teach: Teaching,
        teacher_weight: float,
        seed: int,
    ) -> None:
        self._options = options
        self._vocabulary = vocabulary
        self._teach = teach
        self._teacher_weight = teacher_weight
        self._seed = seed

    def batch(self, number: int) -> LabelledBatch:
        pool = self._pool
        rng = np.random.default_rng((self._seed, number))
        chosen = rng.integers(len(pool.pictures), size=self._options.pictures)
        places = torch.from_numpy(chosen)
        return LabelledBatch(
            pool.pictures[places],
            pool.labels[places].long(),
            pool.weights[places],
            None if pool.cells is None else pool.cells[places],
        )

    def seeds(self, number: int) -> tuple[int, ...]:
        return (self._seed, number)

    @cached_property
    def _pool(self) -> LabelledBatch:
        targets = list(targets_of(self._options, self._vocabulary))
        pictures = stacked([each.pixels for each in targets])
        labels, cells = self._teach(pictures)
        certain = torch.from_numpy(np.stack([each.certain for each in targets]).astype(np.int32))
        merged, weights = with_certain(labels.int(), certain, self._teacher_weight)
        refuse_missing_concepts(merged, self._vocabulary)
        return LabelledBatch(pictures, merged, weights, cells)


def with_certain(labels: Tensor, certain: Tensor, teacher_weight: float) -> tuple[Tensor, Tensor]:
    """What people said stands, with weight 1; elsewhere the teacher's labels, with theirs."""
    said = certain != UNLABELLED
    weights = torch.where(said, 1.0, teacher_weight)
    return torch.where(said, certain, labels), weights


def refuse_missing_concepts(labels: Tensor, vocabulary: Vocabulary) -> None:
    """A student cannot learn a concept that no pixel has."""
    found = set(torch.unique(labels).tolist())
    missing = [name for label, name in enumerate(vocabulary.names, 1) if label not in found]
    if missing:
        raise VocabularyError(
            f"no pixel to learn {', '.join(missing)} from: neither the teacher found any nor did a "
            "person correct one; leave these concepts out, lower the teacher's confidence, or "
            "correct some pictures that show them"
        )


def targets_of(options: TargetPictures, vocabulary: Vocabulary) -> Iterator[Target]:
    """Windows of unlabelled pictures, then of corrected ones."""
    rng = np.random.default_rng((options.seed, 2))
    if options.folder is not None:
        for path in _pictures_in(Path(options.folder)):
            pixels = read_image(path).pixels
            unsaid = np.zeros(pixels.shape[:2], np.uint16)
            yield from _windows(pixels, unsaid, options, rng)
    else:
        size = Size(options.side, options.side)
        rules = SceneRules(style=SceneStyle.MIXED, size=size, microscopy_share=0.0, grey_share=0.0)
        for seed in scene_seeds((options.seed + _SCENES, 0), options.scenes):
            unsaid = np.zeros((options.side, options.side), np.uint16)
            yield Target(draw_scene(rules, seed).pixels, unsaid)
    if options.corrections is not None:
        yield from _corrected(Path(options.corrections), options, vocabulary, rng)


def _corrected(
    export: Path, options: TargetPictures, vocabulary: Vocabulary, rng: np.random.Generator
) -> Iterator[Target]:
    folder = options.corrected_pictures
    beside = None if folder is None else Path(folder)
    draw = partial(corrected_in_export, export, options.written_in, beside)
    pictures = corrected_set(export.name, draw)
    label_of = {name.casefold(): label for label, name in enumerate(vocabulary.names, 1)}
    table = [UNLABELLED]
    for concept in pictures.protocol.concepts:
        if concept.name.casefold() not in label_of:
            raise VocabularyError(
                f"{export} corrects {concept.name!r}, which is not among the concepts to learn; "
                f"there is: {listed_by_nearness(concept.name, vocabulary.names)}; add it to the "
                "recipe's vocabulary"
            )
        table.append(label_of[concept.name.casefold()])
    known = len(table) - 1
    for each in pictures.pictures():
        labels = np.where(each.labels > known, UNLABELLED, each.labels)
        certain = np.array(table, np.uint16)[labels]
        yield from _windows(each.pixels, certain, options, rng)


def _windows(
    pixels: NDArray[np.uint8],
    certain: NDArray[np.uint16],
    options: TargetPictures,
    rng: np.random.Generator,
) -> Iterator[Target]:
    """Squares of a picture's short side, somewhere along its long one."""
    side = options.side
    height, width = certain.shape
    short = min(height, width)
    alike = 1 if height == width else options.windows
    for _ in range(alike):
        top, left = int(rng.integers(height - short + 1)), int(rng.integers(width - short + 1))
        box = (float(left), float(top), float(left + short), float(top + short))
        places = ((np.arange(side) + 0.5) * short / side).astype(int)
        window = certain[top + places[:, None], left + places[None, :]]
        yield Target(resampled(pixels, box, Size(side, side)), window)


def _pictures_in(folder: Path) -> list[Path]:
    found = sorted(each for each in folder.rglob("*") if each.suffix.lower() in _PICTURE_FILES)
    if not found:
        raise ImageError(
            f"{folder} holds no pictures; name a folder with some of "
            f"{', '.join(sorted(_PICTURE_FILES))}"
        )
    return found
