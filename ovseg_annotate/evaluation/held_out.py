"""The held-out scenes as trials: what is there, some words that are not, in random order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

import numpy as np

from ovseg_annotate.datasets.scenes import (
    HeldOut,
    Pairs,
    Scene,
    SceneRegion,
    SceneRules,
    SceneStyle,
    held_out_scene,
    is_unseen,
    semantic_map,
)
from ovseg_annotate.datasets.scenes.held_out import SCENES_IN_A_SET
from ovseg_annotate.datasets.scenes.words import (
    COLOURS,
    GROUNDS,
    MATERIALS,
    MICRO_GROUNDS,
    MICRO_THINGS,
    SHAPES,
    names_of,
    word_named,
)
from ovseg_annotate.datasets.second_scenes import draw_second_scene
from ovseg_annotate.errors import OptionError
from ovseg_annotate.evaluation.instances import instances_in
from ovseg_annotate.evaluation.trials import Trial, TrialSet
from ovseg_annotate.geometry import Size
from ovseg_annotate.vocabulary import Concept, Vocabulary


class SceneSet(StrEnum):
    """A set of scenes that no training has seen."""

    EASY = "easy"
    DISTRACTORS = "distractors"
    CROWDED = "crowded"
    MICROSCOPY = "microscopy"
    LARGE = "large"
    LARGE_TWICE = "large-twice"
    SECOND_EASY = "second-easy"  # by the second generator


@dataclass(frozen=True, slots=True)
class Asking:
    """How many pictures are shown and what is asked of each."""

    count: int = 100  # pictures of each set, always its first ones
    seed: int = 0  # of the order of the words and the choice of absent ones
    absent: int = 4  # words for what is not in the picture
    synonyms: bool = False  # other words than those in the names of the concepts

    def __post_init__(self) -> None:
        if not 1 <= self.count <= SCENES_IN_A_SET:
            raise OptionError(
                f"count {self.count} is out of range; allowed: 1 to {SCENES_IN_A_SET}"
            )
        if not 0 <= self.absent <= 100:
            raise OptionError(f"absent {self.absent} is out of range; allowed: 0 to 100")


_SECOND_SIZE = Size(height=96, width=96)
_MATERIAL_SHARE = 0.25  # of the absent words


def scene_trials(which: SceneSet, pairs: Pairs, asking: Asking) -> TrialSet:
    """One set with seen or with unseen colour-shape pairs."""
    notes = [f"{pairs} pairs"] if which is not SceneSet.MICROSCOPY else []
    notes += [f"{asking.absent} absent"] if asking.absent != Asking().absent else []
    notes += ["synonyms"] if asking.synonyms else []
    name = ", ".join([which.value, *notes])
    return TrialSet(name, asking.count, partial(_trials, which, pairs, asking))


def both_kinds_of_pairs(which: SceneSet, asking: Asking) -> tuple[TrialSet, ...]:
    """Unseen and seen pairs apart; microscopy has no pairs, so there it is one set."""
    kinds: tuple[Pairs, ...] = ("unseen", "seen")
    return tuple(
        scene_trials(which, pairs, asking)
        for pairs in (kinds[:1] if which is SceneSet.MICROSCOPY else kinds)
    )


def all_scene_trials(asking: Asking) -> tuple[TrialSet, ...]:
    """Every set, and the easy one asked for with synonyms and with ten absent words."""
    easy = partial(scene_trials, SceneSet.EASY, "unseen")
    count, seed = asking.count, asking.seed
    return (
        *(trials for which in SceneSet for trials in both_kinds_of_pairs(which, asking)),
        easy(Asking(count, seed, asking.absent, synonyms=True)),
        easy(Asking(count, seed, absent=10)),
    )


def scene_of(which: SceneSet, pairs: Pairs, index: int) -> Scene:
    """Picture `index` of a set."""
    if which is SceneSet.SECOND_EASY:
        return draw_second_scene(SceneRules(SceneStyle.EASY, _SECOND_SIZE, pairs), index)
    return held_out_scene(HeldOut(which.value), pairs, index)


def _trials(which: SceneSet, pairs: Pairs, asking: Asking) -> Iterator[Trial]:
    for index in range(asking.count):
        rng = np.random.default_rng((asking.seed, list(SceneSet).index(which), index))
        scene = scene_of(which, pairs, index)
        concepts = _asked(scene, which, pairs, asking, rng)
        yield Trial(
            name=f"{which.value} {index}",
            pixels=scene.pixels,
            truth=semantic_map(scene, [concept.name for concept in concepts]),
            vocabulary=Vocabulary(concepts),
            grounds=frozenset(each.name for each in scene.regions if _is_ground(each)),
            instances=instances_in(
                scene.instances,
                {each.label: each.name for each in scene.regions if not _is_ground(each)},
            ),
        )


def _asked(
    scene: Scene, which: SceneSet, pairs: Pairs, asking: Asking, rng: np.random.Generator
) -> tuple[Concept, ...]:
    present = list(dict.fromkeys(region.name for region in scene.regions))
    names = present + _absent(present, which, pairs, asking.absent, rng)
    # In a fixed order the first words would be the true ones, and ties would go to them.
    order = rng.permutation(len(names))
    return tuple(
        Concept(names[place], (_synonym(names[place], rng),) if asking.synonyms else ())
        for place in order
    )


def _absent(
    present: list[str], which: SceneSet, pairs: Pairs, count: int, rng: np.random.Generator
) -> list[str]:
    """Words of the same kind as those that are there."""
    absent: list[str] = []
    if which is SceneSet.MICROSCOPY:
        others = [name for name in names_of((*MICRO_THINGS, *MICRO_GROUNDS)) if name not in present]
        absent = [others[place] for place in rng.permutation(len(others))[:count]]
    while len(absent) < count:
        name = _drawn_name(pairs, rng)
        if name is not None and name not in present and name not in absent:
            absent.append(name)
    return absent


def _drawn_name(pairs: Pairs, rng: np.random.Generator) -> str | None:
    if rng.random() < _MATERIAL_SHARE:
        return str(rng.choice(names_of(MATERIALS)))
    colour, shape = str(rng.choice(names_of(COLOURS))), str(rng.choice(names_of(SHAPES)))
    allowed = pairs == "any" or is_unseen(colour, shape) == (pairs == "unseen")
    return f"{colour} {shape}" if allowed else None


def _synonym(name: str, rng: np.random.Generator) -> str:
    """Another way to say the name, word by word; a word without a synonym stays."""
    words = (name,) if name in GROUNDS else name.split(maxsplit=1)
    return " ".join(_other_word(word, rng) for word in words)


def _other_word(word: str, rng: np.random.Generator) -> str:
    synonyms = word_named(word).synonyms
    return synonyms[int(rng.integers(len(synonyms)))] if synonyms else word


def _is_ground(region: SceneRegion) -> bool:
    return region.attributes.thing in GROUNDS
