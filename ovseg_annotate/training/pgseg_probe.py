"""A quick look at how a run of PGSeg is doing: held-out scenes, without windows or refinement.

This is no evaluation: it tells whether a run climbs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate, normalize

from ovseg_annotate.backbones.group_text import token_numbers
from ovseg_annotate.backbones.tokens import tokenizer_of_folder
from ovseg_annotate.datasets.scenes import draw_scene
from ovseg_annotate.datasets.scenes.scene import (
    Pairs,
    Scene,
    SceneRules,
    SceneStyle,
    semantic_map,
)
from ovseg_annotate.engines.pgseg import PgsegOptions, concept_chances, group_features, placed
from ovseg_annotate.geometry import Size
from ovseg_annotate.text.bank import TextBank
from ovseg_annotate.training.pgseg import PgsegTraining
from ovseg_annotate.training.pgseg_batches import Reading
from ovseg_annotate.vocabulary import Concept, Vocabulary

_ABSENT = 3  # concepts of the next scenes compete
_FIRST_SEED = 910_000  # neither a training seed nor one of the fixed held-out sets
_OPTIONS = PgsegOptions(top_concepts=0)


@dataclass(frozen=True, slots=True)
class ProbedScenes:
    """What is looked at."""

    count: int = 48
    style: SceneStyle = SceneStyle.EASY
    pairs: Pairs = "seen"


@torch.no_grad()
def mean_iou(
    training: PgsegTraining, reading: Reading, probed: ProbedScenes | None = None
) -> float:
    """Over the concepts of all scenes, absent ones competing, with the weights as they are now."""
    scenes = _drawn(probed or ProbedScenes(), reading.side)
    network = training.network
    pixels = torch.from_numpy(np.stack([scene.pixels for scene in scenes])).permute(0, 3, 1, 2)
    seen = group_features(network, training.normalised(pixels), prototypes=training.prototypes)
    counts: dict[str, list[int]] = {}
    for number, scene in enumerate(scenes):
        concepts = _concepts(scenes, number)
        bank = TextBank(
            Vocabulary(tuple(Concept(name, (name,)) for name in concepts)),
            _phrases(training, reading, concepts),
        )
        own = type(seen)(
            *(part[number : number + 1] for part in (seen.groups, seen.whole, seen.assignment))
        )
        chances = concept_chances(own, bank, network.scale, _OPTIONS)
        values = placed(chances, own.assignment, 4, "hard")
        size = (reading.side, reading.side)
        said = interpolate(values, size=size, mode="bilinear")[0].argmax(dim=0).cpu().numpy() + 1
        _count(counts, concepts, said, semantic_map(scene, concepts))
    ious = [both / either for both, either, true in counts.values() if true]
    return float(np.mean(ious))


def _drawn(probed: ProbedScenes, side: int) -> list[Scene]:
    rules = SceneRules(style=probed.style, size=Size(side, side), pairs=probed.pairs)
    return [draw_scene(rules, _FIRST_SEED + number) for number in range(probed.count)]


def _names(scene: Scene) -> list[str]:
    return list(dict.fromkeys(region.name for region in scene.regions))


def _concepts(scenes: Sequence[Scene], number: int) -> list[str]:
    """What is there, then as many as are wanted of what the next scenes show."""
    present = _names(scenes[number])
    following = [*scenes[number + 1 :], *scenes[:number]]
    others = (name for scene in following for name in _names(scene) if name not in present)
    return present + list(dict.fromkeys(others))[:_ABSENT]


def _phrases(training: PgsegTraining, reading: Reading, concepts: Sequence[str]) -> Tensor:
    """(phrases, width), unit length."""
    tokenizer = tokenizer_of_folder(reading.merges, reading.tokens)
    network = training.network
    numbers = token_numbers(concepts, tokenizer, reading.tokens).to(network.log_scale.device)
    return normalize(network.text_projection(network.text(numbers).sentences), dim=1).cpu()


def _count(
    counts: dict[str, list[int]],
    concepts: Sequence[str],
    said: NDArray[np.integer],
    truth: NDArray[np.integer],
) -> None:
    for number, concept in enumerate(concepts, start=1):
        own, true = said == number, truth == number
        entry = counts.setdefault(concept, [0, 0, 0])
        entry[0] += int((own & true).sum())
        entry[1] += int((own | true).sum())
        entry[2] += int(true.any())
