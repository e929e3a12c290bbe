"""Windows with the words that are asked of each: what the heads on a tower learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ovseg_annotate.datasets.scenes import draw_scene
from ovseg_annotate.datasets.scenes.pairs import is_unseen
from ovseg_annotate.datasets.scenes.phrases import phrase_saying
from ovseg_annotate.datasets.scenes.scene import Attributes, Scene, SceneRules, SceneStyle
from ovseg_annotate.datasets.scenes.words import (
    BACKGROUND,
    COLOURS,
    MATERIALS,
    MICRO_GROUNDS,
    MICRO_THINGS,
    SHAPES,
    names_of,
)
from ovseg_annotate.errors import OptionError
from ovseg_annotate.geometry import Size
from ovseg_annotate.label_map import UNLABELLED
from ovseg_annotate.resampling import resampled
from ovseg_annotate.training.nuclei import NucleiPicture, draw_nuclei_window, read_nuclei
from ovseg_annotate.training.scene_seeds import scene_seeds

_THINGS = names_of((*MATERIALS, *MICRO_THINGS, *MICRO_GROUNDS))
_COLOURS, _SHAPES = names_of(COLOURS), names_of(SHAPES)
# Of the words for what is not there.
_SAME_COLOUR, _SAME_SHAPE, _THING = 0.3, 0.6, 0.8
_TRIES = 200


@dataclass(frozen=True, slots=True, eq=False)
class HeadBatch:
    """Windows of equal size; each has as many phrases as the others, its own ones."""

    images: Tensor  # (windows, 3, height, width) uint8
    labels: Tensor  # (windows, height, width) int64, number of the phrase + 1; 0: unlabelled
    phrases: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class HeadPictures:
    """What the windows of a batch are."""

    windows: int = 16  # a batch
    windows_of_a_scene: int = 2
    scene_side: int = 96  # px, before a window is cut out of it
    fewest_phrases: int = 6
    most_phrases: int = 20
    smallest_magnification: float = 1.2  # of scenes, around that of the tower's card
    largest_magnification: float = 1.9
    easy_share: float = 0.35
    microscopy_share: float = 0.25
    nuclei_folder: str | None = None  # real nuclei pictures; None: generated scenes only
    nuclei_share: float = 0.1  # of the windows, where a folder is given

    def __post_init__(self) -> None:
        if not 2 <= self.fewest_phrases <= self.most_phrases:
            raise OptionError(
                f"phrases: got {self.fewest_phrases} to {self.most_phrases}; allowed: 2 or more, "
                "the fewest first"
            )
        if self.windows % self.windows_of_a_scene:
            raise OptionError(
                f"windows: got {self.windows}; allowed: a multiple of {self.windows_of_a_scene}, "
                "the windows of a scene"
            )
        if not 0 < self.smallest_magnification <= self.largest_magnification:
            raise OptionError(
                f"magnification: got {self.smallest_magnification:g} to "
                f"{self.largest_magnification:g}; allowed: above 0, the smallest first"
            )


@dataclass(frozen=True, slots=True, eq=False)
class _Described:
    """A window whose pixels are told by attributes."""

    pixels: NDArray[np.uint8]
    regions: NDArray[np.int64]  # numbers of attributes
    attributes: tuple[Attributes, ...]


class SceneWindows:
    """Batches of windows of generated scenes: a pure function of seed and number."""

    def __init__(self, options: HeadPictures, window: Size, seed: int) -> None:
        self._options = options
        self._window = window
        self._seed = seed
        folder = options.nuclei_folder
        self._nuclei: tuple[NucleiPicture, ...] = (
            () if folder is None else read_nuclei(Path(folder))
        )

    def batch(self, number: int) -> HeadBatch:
        options = self._options
        rng = np.random.default_rng((self._seed, number, 1))
        count = int(rng.integers(options.fewest_phrases, options.most_phrases + 1))
        images, labels, phrases = [], [], []
        for seed in self.seeds(number):
            for window in self._windows(seed):
                asked, answer = _asked(window, count, rng)
                images.append(window.pixels)
                labels.append(answer)
                phrases.append(asked)
        return HeadBatch(
            torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2),
            torch.from_numpy(np.stack(labels)),
            tuple(phrases),
        )

    def seeds(self, number: int) -> tuple[int, ...]:
        scenes = self._options.windows // self._options.windows_of_a_scene
        return scene_seeds((self._seed, number, 0), scenes)

    def _windows(self, seed: int) -> list[_Described]:
        options = self._options
        rng = np.random.default_rng((seed, 2))
        scene: Scene | None = None
        windows = []
        for _ in range(options.windows_of_a_scene):
            if self._nuclei and rng.random() < options.nuclei_share:
                sample = draw_nuclei_window(self._nuclei, self._window.height, rng)
                windows.append(_Described(sample.pixels, sample.regions, sample.attributes))
                continue
            scene = scene or draw_scene(self._rules(), seed)
            windows.append(self._cut(scene, rng))
        return windows

    def _rules(self) -> SceneRules:
        options = self._options
        return SceneRules(
            style=SceneStyle.MIXED,
            size=Size(options.scene_side, options.scene_side),
            pairs="seen",
            easy_share=options.easy_share,
            microscopy_share=options.microscopy_share,
        )

    def _cut(self, scene: Scene, rng: np.random.Generator) -> _Described:
        """A window of the enlarged scene, somewhere."""
        options, size = self._options, self._window
        limits = np.log([options.smallest_magnification, options.largest_magnification])
        height, width = scene.instances.shape
        least = max(size.height / height, size.width / width)
        factor = max(float(np.exp(rng.uniform(*limits))), least)
        top = float(rng.uniform(0, height - size.height / factor))
        left = float(rng.uniform(0, width - size.width / factor))
        box = (left, top, left + size.width / factor, top + size.height / factor)
        rows = (top + (np.arange(size.height) + 0.5) / factor).astype(np.int64).clip(0, height - 1)
        columns = (left + (np.arange(size.width) + 0.5) / factor).astype(np.int64)
        instances = scene.instances[rows[:, None], columns.clip(0, width - 1)[None]]
        attributes = tuple(region.attributes for region in scene.regions)
        return _Described(
            np.ascontiguousarray(resampled(scene.pixels, box, size)),
            instances.astype(np.int64) - 1,
            attributes,
        )


def _asked(
    window: _Described, count: int, rng: np.random.Generator
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Phrases for what is there and for what is not, in random order, and where each is true.

    All say equally much, so that no two are true of one pixel.
    """
    present = np.unique(window.regions)
    said = [_named(window.attributes[number]) for number in present]
    concepts = list(dict.fromkeys(said))
    if len(concepts) > count:
        concepts = [concepts[place] for place in rng.permutation(len(concepts))[:count]]
    true = len(concepts)
    _add_absent(concepts, set(said), count, rng)
    phrases: list[str] = []
    for concept in concepts:
        phrases.append(_worded(concept, phrases, rng))
    order = rng.permutation(len(concepts))
    place_of = {concepts[place]: number for number, place in enumerate(order) if place < true}
    table = np.full(int(present.max()) + 1, UNLABELLED, np.int64)
    for number, concept in zip(present, said, strict=True):
        table[number] = place_of.get(concept, -1) + 1
    return tuple(phrases[place] for place in order), table[window.regions]


def _named(attributes: Attributes) -> Attributes:
    """What an evaluation asks for: colour and shape, the colour of a plain ground, or the thing."""
    if attributes.shape is not None:
        return Attributes(colour=attributes.colour, shape=attributes.shape)
    if attributes.thing == BACKGROUND.canonical:
        return Attributes(colour=attributes.colour, thing=attributes.thing)
    return Attributes(thing=attributes.thing)


def _add_absent(
    concepts: list[Attributes], there: set[Attributes], count: int, rng: np.random.Generator
) -> None:
    objects = [one for one in concepts if one.shape is not None]
    for _ in range(_TRIES):
        if len(concepts) >= count:
            return
        absent = _absent(objects, rng)
        if absent is not None and absent not in there and absent not in concepts:
            concepts.append(absent)
    raise OptionError(f"found no {count} phrases to ask for at once; lower most_phrases")


def _absent(objects: Sequence[Attributes], rng: np.random.Generator) -> Attributes | None:
    """Something to say that is often nearly true: the colour or the shape of an object."""
    kind = rng.random()
    if kind >= _SAME_SHAPE or not objects:
        if kind >= _THING:
            return Attributes(thing=str(rng.choice(_THINGS)))
        colour, shape = str(rng.choice(_COLOURS)), str(rng.choice(_SHAPES))
    else:
        like = objects[int(rng.integers(len(objects)))]
        if like.colour is None or like.shape is None:
            return None
        colour, shape = like.colour, like.shape
        if kind < _SAME_COLOUR:
            shape = str(rng.choice(_SHAPES))
        else:
            colour = str(rng.choice(_COLOURS))
    # Unseen pairs are for the evaluation: their words are not even heard of in a training.
    return None if is_unseen(colour, shape) else Attributes(colour=colour, shape=shape)


def _worded(concept: Attributes, taken: Sequence[str], rng: np.random.Generator) -> str:
    for _ in range(_TRIES):
        phrase = phrase_saying(concept, rng)
        if phrase not in taken:
            return phrase
    raise OptionError(f"no words are left to say {concept}; lower most_phrases")
