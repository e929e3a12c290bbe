"""A quick look at how a run is doing: held-out scenes through the training-free path.

This is no evaluation: no refinement, no windows, few pictures. It tells whether a run climbs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import Tensor

from ovseg_annotate.datasets.scenes import draw_scene
from ovseg_annotate.datasets.scenes.pairs import is_unseen
from ovseg_annotate.datasets.scenes.scene import (
    Pairs,
    Scene,
    SceneRules,
    SceneStyle,
    semantic_map,
)
from ovseg_annotate.datasets.scenes.words import COLOURS, MATERIALS, SHAPES, Word, names_of
from ovseg_annotate.geometry import Size
from ovseg_annotate.training.dense_paths import dense_tokens, encode_phrases
from ovseg_annotate.training.mini import MiniTraining
from ovseg_annotate.training.region_batches import Tokenizer
from ovseg_annotate.training.samples import merged_regions, patch_coverage

_ABSENT = 4
_FEW_SCENES = 32
_FIRST_SEED = 900_000  # neither a training seed nor one of the fixed held-out sets


@dataclass(frozen=True, slots=True)
class ProbeScore:
    mean_iou: float  # over the concepts that occur, with absent concepts competing
    colour: float  # share of objects whose own colour is the strongest bare colour word
    shape: float  # the same for shapes


@torch.no_grad()
def probe(
    training: MiniTraining,
    tokenizer: Tokenizer,
    style: SceneStyle = SceneStyle.EASY,
    pairs: Pairs = "unseen",
    scenes: int = 64,
) -> ProbeScore:
    """Score the weights that the module has now, on scenes of the size that it is trained on."""
    was_training = training.module.training
    training.module.eval()
    side = _side(training)
    rules = SceneRules(style=style, size=Size(side, side), pairs=pairs)
    drawn = [draw_scene(rules, _FIRST_SEED + number) for number in range(scenes)]
    grids = _grids(training, drawn)
    counts: dict[str, list[int]] = {}
    for number, (scene, grid) in enumerate(zip(drawn, grids, strict=True)):
        concepts = _concepts(scene, pairs, np.random.default_rng((_FIRST_SEED, number)))
        phrases = _encoded(training, tokenizer, concepts)
        answer = _enlarged(grid @ phrases.T, side).argmax(dim=0).numpy()
        truth = semantic_map(scene, concepts).astype(np.int64) - 1
        _count(counts, concepts, answer, truth)
    ious = [both / either for both, either, there in counts.values() if there]
    training.module.train(was_training)
    return ProbeScore(
        mean_iou=float(np.mean(ious)),
        colour=_word_accuracy(training, tokenizer, drawn, grids, COLOURS),
        shape=_word_accuracy(training, tokenizer, drawn, grids, SHAPES),
    )


def quick_score(training: MiniTraining, tokenizer: Tokenizer) -> float:
    """Mean IoU on a few easy scenes of unseen pairs: for the log of a run."""
    return probe(training, tokenizer, scenes=_FEW_SCENES).mean_iou


def _side(training: MiniTraining) -> int:
    model: Any = training.module
    return int(model.visual.image_size[0])


def _encoded(training: MiniTraining, tokenizer: Tokenizer, phrases: Sequence[str]) -> Tensor:
    """`(phrases, embed)` on the CPU."""
    tokens = tokenizer(list(phrases)).to(next(training.module.parameters()).device)
    return encode_phrases(training.module, tokens).cpu()


def _grids(training: MiniTraining, scenes: Sequence[Scene]) -> Tensor:
    """`(scenes, patches, embed)` of the path that the training-free engine reads, on the CPU."""
    model: Any = training.module
    pixels = torch.from_numpy(np.stack([scene.pixels for scene in scenes])).permute(0, 3, 1, 2)
    parts = [
        dense_tokens(model.visual, training.normalised(part)).neighbours.cpu()
        for part in torch.split(pixels, 32)
    ]
    return torch.cat(parts)


def _enlarged(similarity: Tensor, side: int) -> Tensor:
    grid = round(similarity.shape[0] ** 0.5)
    maps = similarity.T.reshape(1, -1, grid, grid)
    return F.interpolate(maps, size=(side, side), mode="bilinear", align_corners=False)[0]


def _concepts(scene: Scene, pairs: Pairs, rng: np.random.Generator) -> list[str]:
    present = list(dict.fromkeys(region.name for region in scene.regions))
    absent: list[str] = []
    while len(absent) < _ABSENT:
        name = _absent_concept(pairs, rng)
        if name is not None and name not in present and name not in absent:
            absent.append(name)
    concepts = present + absent
    rng.shuffle(concepts)
    return concepts


def _absent_concept(pairs: Pairs, rng: np.random.Generator) -> str | None:
    if rng.random() < 0.25:
        return str(rng.choice(names_of(MATERIALS)))
    colour, shape = str(rng.choice(names_of(COLOURS))), str(rng.choice(names_of(SHAPES)))
    allowed = pairs == "any" or is_unseen(colour, shape) == (pairs == "unseen")
    return f"{colour} {shape}" if allowed else None


def _count(
    counts: dict[str, list[int]],
    concepts: Sequence[str],
    answer: NDArray[np.int64],
    truth: NDArray[np.int64],
) -> None:
    for number, concept in enumerate(concepts):
        said, true = answer == number, truth == number
        entry = counts.setdefault(concept, [0, 0, 0])
        entry[0] += int((said & true).sum())
        entry[1] += int((said | true).sum())
        entry[2] += int(true.any())


def _word_accuracy(
    training: MiniTraining,
    tokenizer: Tokenizer,
    scenes: Sequence[Scene],
    grids: Tensor,
    words: tuple[Word, ...],
) -> float:
    """Objects are read as the mean of their patches, weighted by how much they cover."""
    names = names_of(words)
    phrases = _encoded(training, tokenizer, names)
    right = []
    for scene, grid in zip(scenes, grids, strict=True):
        described = [region.attributes for region in scene.regions]
        regions, attributes = merged_regions(scene.instances, described)
        patch_size = round(scene.pixels.shape[0] / len(grid) ** 0.5)
        covered = torch.from_numpy(patch_coverage(regions, len(attributes), patch_size)).float()
        best = ((covered.T @ grid) @ phrases.T).argmax(dim=1).tolist()
        for one, number in zip(attributes, best, strict=True):
            wanted = one.colour if words is COLOURS else one.shape
            if one.shape is not None and wanted is not None:
                right.append(names[number] == wanted)
    return float(np.mean(right)) if right else float("nan")
