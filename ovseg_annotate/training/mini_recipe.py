"""The recipe of the bundled model."""

from __future__ import annotations

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
from ovseg_annotate.training.distributed import Peers
from ovseg_annotate.training.export import export_mini
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

    system: str = "mini"
    shape: MiniShape = field(default_factory=MiniShape)
    pictures: PictureOptions = field(default_factory=PictureOptions)
    weights: LossWeights = field(default_factory=LossWeights)
    loop: LoopOptions = field(default_factory=LoopOptions)

    def train(
        self,
        run_folder: Path,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        device: torch.device = _CPU,
        peers: Peers = ALONE,
    ) -> Outcome:
        """Train the tower, or go on where the run folder left off."""
        merges = needed_merges(tokenizer_words())
        run_folder.mkdir(parents=True, exist_ok=True)
        merges_file = run_folder / MERGES_FILE
        merges_file.write_bytes(merges_bytes(merges))
        shape, loop = self.shape, self.loop
        model = build_mini(shape, vocabulary_size(merges), loop.seed).to(device)
        batches = loop.steps * loop.accumulate
        source = SceneBatches(self.pictures, shape, merges_file, loop.seed, batches)
        training = MiniTraining(model, shape, self.weights)
        tokenizer = subset_tokenizer(merges_file, shape.context_length)
        score = partial(quick_score, training, tokenizer)
        return train(training, source, loop, run_folder, on_progress, peers, score=score)

    def export(self, run_folder: Path, folder: Path) -> None:
        """Write a folder for naclip@FOLDER."""
        export_mini(run_folder, folder, self.shape)
