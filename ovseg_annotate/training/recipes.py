"""Recipes: small TOML files that say everything about a run."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch

from ovseg_annotate.backbones.tokenizer_subset import (
    MERGES_FILE,
    merges_bytes,
    needed_merges,
    subset_tokenizer,
    vocabulary_size,
)
from ovseg_annotate.errors import OptionError
from ovseg_annotate.options import read_options
from ovseg_annotate.training.distributed import Peers
from ovseg_annotate.training.loop import ALONE, Outcome, train
from ovseg_annotate.training.mini import LossWeights, MiniTraining
from ovseg_annotate.training.mini_model import MiniShape, build_mini
from ovseg_annotate.training.mini_words import tokenizer_words
from ovseg_annotate.training.options import LoopOptions
from ovseg_annotate.training.probe import quick_score
from ovseg_annotate.training.progress import Progress
from ovseg_annotate.training.scene_batches import PictureOptions, SceneBatches

_CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class MiniRecipe:
    """A table of the file each; a table left out has its defaults."""

    shape: MiniShape = field(default_factory=MiniShape)
    pictures: PictureOptions = field(default_factory=PictureOptions)
    weights: LossWeights = field(default_factory=LossWeights)
    loop: LoopOptions = field(default_factory=LoopOptions)


def read_recipe(path: Path) -> MiniRecipe:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(f"cannot read the recipe {path}: {error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OptionError(f"the recipe {path} is not valid TOML: {error}") from error
    try:
        return read_options(MiniRecipe, content)
    except OptionError as error:
        raise OptionError(f"the recipe {path}: {error}") from error


def train_mini(
    recipe: MiniRecipe,
    run_folder: Path,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    device: torch.device = _CPU,
    peers: Peers = ALONE,
) -> Outcome:
    """Train the bundled model by the recipe, or go on where the run folder left off."""
    merges = needed_merges(tokenizer_words())
    run_folder.mkdir(parents=True, exist_ok=True)
    merges_file = run_folder / MERGES_FILE
    merges_file.write_bytes(merges_bytes(merges))
    loop = recipe.loop
    model = build_mini(recipe.shape, vocabulary_size(merges), loop.seed).to(device)
    source = SceneBatches(
        recipe.pictures, recipe.shape, merges_file, loop.seed, loop.steps * loop.accumulate
    )
    training = MiniTraining(model, recipe.shape, recipe.weights)
    tokenizer = subset_tokenizer(merges_file, recipe.shape.context_length)
    score = partial(quick_score, training, tokenizer)
    return train(training, source, loop, run_folder, on_progress, peers, score=score)
