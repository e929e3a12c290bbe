"""S-Seg beside its baselines and S-Seg+ beside S-Seg, on held-out scenes.

    python benchmarks/sseg_training.py RUNS [SEED ...]

Trains recipes/sseg-mini.toml and, on what comes out, recipes/sseg-plus-mini.toml for each seed (1
to 3), in folders under RUNS; what is there already is not trained again. Every system answers once
for a whole picture, enlarged without refinement. The baselines are without training: pseudo-masks
of the same tower, each named by that tower from the picture with all but the mask painted over
(the paper's weak one), or from the mean of its cells as naclip reads them. A third one names the
same masked pictures with what S-Seg itself learnt: the same captions, but masks and words not read
together. S-Seg+ is judged on scenes like those it was trained on, with its list of concepts.

Prints JSON lines {name, value, spread, target, unit, reached}.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ovseg_annotate.backbones.checkpoints import fill, read_state
from ovseg_annotate.backbones.system_folder import WEIGHTS_FILE
from ovseg_annotate.backbones.taps import tapped_features
from ovseg_annotate.backbones.weights import load_clip
from ovseg_annotate.catalog import open_engine
from ovseg_annotate.datasets.scenes import draw_scene
from ovseg_annotate.datasets.scenes.scene import Attributes, SceneRules, SceneStyle
from ovseg_annotate.datasets.scenes.words import BACKGROUND
from ovseg_annotate.engine import Engine
from ovseg_annotate.engines.cost_engine import tower_of
from ovseg_annotate.engines.dense_clip import PatchFeatures
from ovseg_annotate.engines.request import EngineRequest
from ovseg_annotate.engines.sseg import QueryFeatures, open_sseg
from ovseg_annotate.evaluation.held_out import Asking, SceneSet, scene_trials
from ovseg_annotate.evaluation.trials import Trial
from ovseg_annotate.masks.clusters import segment_masks
from ovseg_annotate.training.recipes import read_recipe
from ovseg_annotate.training.sseg import SsegRecipe, SsegTraining
from ovseg_annotate.training.sseg_plus import SsegPlusRecipe
from ovseg_annotate.vocabulary import Vocabulary

# One picture (3, height, width) uint8 and words -> (concepts, rows, columns) of scores.
Answer: TypeAlias = Callable[[Tensor, Vocabulary], Tensor]

RECIPES = Path(__file__).parent.parent / "recipes"
SETS = (SceneSet.EASY, SceneSet.DISTRACTORS, SceneSet.CROWDED)
PICTURES = 50
TARGET_SCENES = 100
TARGET_SEED = 700_000  # far from the seeds of trainings and of the held-out sets
CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Seed:
    """Mean IoU of one seed: a number a set, then the target domain."""

    sseg: dict[str, float]
    own_words: dict[str, float]  # pseudo-masks named by the same weights, a picture each
    target: float
    target_plus: float


def main(runs: Path, seeds: Sequence[int]) -> None:
    torch.set_num_threads(1)
    recipe = read_recipe(RECIPES / "sseg-mini.toml")
    assert isinstance(recipe, SsegRecipe)
    plus = read_recipe(RECIPES / "sseg-plus-mini.toml")
    assert isinstance(plus, SsegPlusRecipe)
    report_oracle(recipe)
    masked = baseline_scores("pseudo-masks + CLIP of masked pictures", by_masked_pictures(recipe))
    baseline_scores("pseudo-masks + CLIP cells", by_cells(recipe))
    baseline_scores("naclip@mini", answers_of(open_engine("naclip@mini")))
    done = [one_seed(recipe, plus, seed, runs) for seed in seeds]
    for name, baseline in masked.items():
        values = [each.sseg[name] for each in done]
        report(f"S-Seg, {name}", values)
        report(f"S-Seg less pseudo-masks + CLIP, {name}", [one - baseline for one in values], 0.0)
        own = [each.own_words[name] for each in done]
        report(f"pseudo-masks + words of S-Seg, {name}", own)
        gained = [one - other for one, other in zip(values, own, strict=True)]
        report(f"S-Seg less pseudo-masks + its words, {name}", gained, 0.0)
    report("S-Seg, target domain", [each.target for each in done])
    report("S-Seg+, target domain", [each.target_plus for each in done])
    report("S-Seg+ less S-Seg", [each.target_plus - each.target for each in done], 0.0)


def one_seed(recipe: SsegRecipe, plus: SsegPlusRecipe, seed: int, runs: Path) -> Seed:
    recipe = replace(recipe, loop=replace(recipe.loop, seed=seed))
    run = runs / f"sseg-{seed}"
    recipe.train(run)
    recipe.export(run, run / "export")
    teacher = replace(plus.teacher, weights=str(run / "export"))
    plus = replace(plus, teacher=teacher, loop=replace(plus.loop, seed=seed))
    run_plus = runs / f"sseg-plus-{seed}"
    plus.train(run_plus)
    plus.export(run_plus, run_plus / "export")
    first, student = (answers_of(opened(folder / "export")) for folder in (run, run_plus))
    alone = by_own_words(recipe, run / "export")
    words = Vocabulary.parse(plus.teacher.vocabulary)
    return Seed(
        sseg={which.value: held_out(first, which) for which in SETS},
        own_words={which.value: held_out(alone, which) for which in SETS},
        target=mean_iou(first, target_trials(words)),
        target_plus=mean_iou(student, target_trials(words)),
    )


def opened(folder: Path) -> Engine:
    return open_sseg(EngineRequest("sseg", str(folder), {}, None, offline=True, progress=None))


def report_oracle(recipe: SsegRecipe) -> None:
    """Pseudo-masks named by the truth: what no naming can exceed."""
    for by in ("tower", "colour"):
        own = replace(recipe, pseudo=replace(recipe.pseudo, by=by))
        training = SsegTraining(own, CPU)
        for which in SETS:
            values = []
            for trial in trials(which):
                clusters = clusters_in(training, pixels_of(trial))
                best = [named(trial, clusters == number) for number in clusters.unique()]
                numbers = clusters.unique()
                said = torch.zeros_like(clusters)
                for number, label in zip(numbers, best, strict=True):
                    said[clusters == number] = label
                values += ious(said.numpy(), trial).values()
            report(f"oracle of pseudo-masks by {by}, {which.value}", [statistics.mean(values)])


def named(trial: Trial, mask: Tensor) -> int:
    """The label that most of a mask has."""
    return int(np.bincount(trial.truth[mask.numpy()].astype(np.int64)).argmax())


def by_masked_pictures(recipe: SsegRecipe) -> Answer:
    """Each mask as a picture of its own, all else painted in the mean colour."""
    training = SsegTraining(recipe, CPU)
    engine = open_engine("naclip@mini")
    tower = tower_of(load_clip("mini"))

    def answer(picture: Tensor, words: Vocabulary) -> Tensor:
        clusters = clusters_in(training, picture)
        masks = segment_masks(clusters[None], recipe.pseudo.clusters.clusters)[0]
        pixels = training.normalised(picture)
        alone = torch.stack([pixels * mask for mask in masks])
        with torch.no_grad():
            seen = tapped_features(tower, alone, (), "whole")
        return spread(seen.whole, masks, engine, words)

    return answer


def by_own_words(recipe: SsegRecipe, export: Path) -> Answer:
    """The same masks and masked pictures, named by what S-Seg makes of a whole picture."""
    training = SsegTraining(recipe, CPU)
    file = export / WEIGHTS_FILE
    state = {name: value.float() for name, value in read_state(file).items()}
    fill(training.network.eval(), state, file)
    engine = opened(export)

    def answer(picture: Tensor, words: Vocabulary) -> Tensor:
        clusters = clusters_in(training, picture)
        masks = segment_masks(clusters[None], recipe.pseudo.clusters.clusters)
        alone = training.normalised(picture) * masks[0][:, None]
        with torch.no_grad():
            vectors = training.network.see(alone).vectors.mean(dim=1)
        unit = functional.normalize(vectors, dim=-1)[None]
        return engine.score(QueryFeatures(masks, unit), engine.encode_text(words)).values[0]

    return answer


def by_cells(recipe: SsegRecipe) -> Answer:
    """Each mask by the mean of the cells in it, as naclip makes them."""
    training = SsegTraining(recipe, CPU)
    engine = open_engine("naclip@mini")

    def answer(picture: Tensor, words: Vocabulary) -> Tensor:
        clusters = clusters_in(training, picture)
        masks = segment_masks(clusters[None], recipe.pseudo.clusters.clusters)[0]
        features = engine.encode_image(training.normalised(picture)[None])
        assert isinstance(features, PatchFeatures)
        cells = features.tokens[0].permute(2, 0, 1)[None]
        fine = functional.interpolate(cells, masks.shape[1:], mode="bilinear")[0]
        return spread(torch.einsum("myx,dyx->md", masks, fine), masks, engine, words)

    return answer


def spread(vectors: Tensor, masks: Tensor, engine: Engine, words: Vocabulary) -> Tensor:
    """What is said of masks (masks, height, width), at each of their pixels."""
    unit = functional.normalize(vectors, dim=-1)
    scores = engine.score(PatchFeatures(unit[None, None]), engine.encode_text(words)).values
    return torch.einsum("cm,myx->cyx", scores[0, :, 0], masks)


def clusters_in(training: SsegTraining, picture: Tensor) -> Tensor:
    """(height, width) numbers of the pseudo-masks, as training has them, at every pixel."""
    coarse = training.pool_of(picture[None]).clusters[:, None].float()
    return functional.interpolate(coarse, picture.shape[1:], mode="nearest")[0, 0].long()


def answers_of(engine: Engine) -> Answer:
    mean, std = (
        torch.tensor(values).view(3, 1, 1) for values in (engine.card.mean, engine.card.std)
    )

    def answer(picture: Tensor, words: Vocabulary) -> Tensor:
        features = engine.encode_image(((picture / 255.0 - mean) / std)[None])
        scores = engine.score(features, engine.encode_text(words)).values
        return functional.interpolate(scores, picture.shape[1:], mode="bilinear")[0]

    return answer


def baseline_scores(name: str, answer: Answer) -> dict[str, float]:
    scores = {which.value: held_out(answer, which) for which in SETS}
    for which, score in scores.items():
        report(f"{name}, {which}", [score])
    return scores


def trials(which: SceneSet) -> Iterable[Trial]:
    return scene_trials(which, "unseen", Asking(PICTURES)).draw()


def held_out(answer: Answer, which: SceneSet) -> float:
    return mean_iou(answer, trials(which))


def mean_iou(answer: Answer, asked: Iterable[Trial]) -> float:
    """Mean over pictures and the concepts in them."""
    values: list[float] = []
    for trial in asked:
        said = answer(pixels_of(trial), trial.vocabulary).argmax(dim=0).numpy() + 1
        values += ious(said, trial).values()
    return statistics.mean(values)


def ious(said: np.ndarray, trial: Trial) -> dict[int, float]:
    return {
        label: float(((said == label) & (trial.truth == label)).sum())
        / float(((said == label) | (trial.truth == label)).sum())
        for label in trial.present
    }


def target_trials(words: Vocabulary) -> Iterable[Trial]:
    """Scenes like those that the student was trained on, and its own list of concepts."""
    rules = SceneRules(style=SceneStyle.MIXED, microscopy_share=0.0, grey_share=0.0)
    label_of = {name: label for label, name in enumerate(words.names, 1)}
    for index in range(TARGET_SCENES):
        scene = draw_scene(rules, TARGET_SEED + index)
        table = np.zeros(len(scene.regions) + 1, np.uint8)
        for region in scene.regions:
            table[region.label] = label_of.get(target_name(region.attributes), 0)
        yield Trial(str(index), scene.pixels, table[scene.instances], words)


def target_name(attributes: Attributes) -> str:
    """The concept of the list that a region counts for: a colour, a material or the background."""
    if attributes.shape is not None:
        return attributes.colour or BACKGROUND.canonical
    return attributes.thing or BACKGROUND.canonical


def pixels_of(trial: Trial) -> Tensor:
    return torch.from_numpy(trial.pixels).permute(2, 0, 1)


def report(name: str, values: Sequence[float], target: float | None = None) -> None:
    """Mean and standard deviation over seeds; reached if every seed is above the target."""
    reached = None if target is None else min(values) > target
    deviation = statistics.stdev(values) if len(values) > 1 else None
    line = {
        "name": name,
        "value": round(statistics.mean(values), 4),
        "spread": None if deviation is None else round(deviation, 4),
        "target": target,
        "unit": "mIoU",
        "reached": reached,
    }
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(seed) for seed in sys.argv[2:]] or [1, 2, 3])
