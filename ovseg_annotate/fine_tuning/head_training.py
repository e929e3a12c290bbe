"""What the training loop needs of a fine-tuning: losses, batches and a score."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save
from torch import Tensor, nn
from torch.nn import functional

from ovseg_annotate.engine import FineTunable
from ovseg_annotate.fine_tuning.judging import quality_of
from ovseg_annotate.fine_tuning.known import NONE, UNKNOWN
from ovseg_annotate.fine_tuning.material import Material, on_device, scores_of
from ovseg_annotate.fine_tuning.options import FineTuneOptions
from ovseg_annotate.lessons.head_weights import added_between, tuned
from ovseg_annotate.lessons.tuned_head import TunedHead
from ovseg_annotate.run_folder.writing import write_whole
from ovseg_annotate.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True, eq=False)
class TuningBatch:
    """Some windows, asked for some concepts; numbers in them are places among these."""

    windows: Material
    labelled: Tensor  # (concepts,) bool: not negative


class TuningBatches:
    """Batches by number: pictures by lot, of each a window by lot."""

    def __init__(
        self, material: Material, vocabulary: Vocabulary, options: FineTuneOptions
    ) -> None:
        self._material = material
        self._options = options
        self._negative = torch.tensor([concept.negative for concept in vocabulary])
        pictures = material.pictures.numpy()
        self._windows = [np.flatnonzero(pictures == each) for each in np.unique(pictures)]

    def batch(self, number: int) -> TuningBatch:
        rng = np.random.default_rng((self._options.seed, number))
        drawn = rng.integers(len(self._windows), size=self._options.windows)
        places = [int(rng.choice(self._windows[picture])) for picture in drawn]
        windows = self._material.windows(torch.tensor(places))
        asked = self._asked(windows, rng)
        return TuningBatch(_renumbered(windows, asked), ~self._negative[asked])

    def seeds(self, number: int) -> tuple[int, ...]:
        return (self._options.seed, number)

    def _asked(self, windows: Material, rng: np.random.Generator) -> Tensor:
        """Numbers of concepts: what the windows are known to show, then others by lot."""
        said = torch.cat([windows.certain, windows.rejected, windows.guessed]).flatten()
        shown = torch.bincount(said[said >= 0].int(), minlength=len(self._negative)) > 0
        true, others = shown.nonzero()[:, 0].tolist(), (~shown).nonzero()[:, 0].tolist()
        spare = max(self._options.concepts - len(true), 0)
        some = rng.permutation(others)[:spare].tolist()
        return torch.tensor(sorted((*true, *some)))


class HeadTuning:
    """The Trainable: a copy of a head over features that stay as they are."""

    def __init__(self, engine: FineTunable, start: nn.Module, options: FineTuneOptions) -> None:
        self._engine = engine
        self._options = options
        self._head = deepcopy(start).requires_grad_(requires_grad=True)

    @property
    def module(self) -> nn.Module:
        return self._head

    def losses(self, batch: TuningBatch) -> Mapping[str, Tensor]:
        device = next(self._head.parameters()).device
        windows = batch.windows
        features = on_device(self._engine, windows.features, device)
        logits = self._engine.logits(self._head, features, windows.vectors.to(device))
        return {"cells": cell_loss(logits, batch, self._options.guess_weight)}


def cell_loss(logits: Tensor, batch: TuningBatch, guess_weight: float) -> Tensor:
    """Mean binary cross-entropy of each cell and concept of which something is known.

    Of certain cells all concepts count, of guessed ones by `guess_weight`; where none of the
    concepts is, those that are labelled; of rejected ones the rejected concept alone. The cells of
    a concept weigh the root of their number together, as in refreshes (decision 19).
    """
    device, concepts = logits.device, logits.shape[1]
    certain, rejected, guessed = (
        each.to(device).long()
        for each in (batch.windows.certain, batch.windows.rejected, batch.windows.guessed)
    )
    said, none = certain >= 0, certain == NONE
    guesses = (certain == UNKNOWN) & (rejected == UNKNOWN) & (guessed >= 0)
    true = torch.where(said, certain, torch.where(guesses, guessed, UNKNOWN))
    weights = (said + guess_weight * guesses)[:, None] + (
        none[:, None] * batch.labelled.to(device)[None, :, None, None]
    )
    weights = weights * _balance(true.where(~none, concepts), concepts + 1)[:, None]
    weights = torch.maximum(weights, _one_hot(rejected.where(~said & ~none, UNKNOWN), concepts))
    losses = functional.binary_cross_entropy_with_logits(
        logits, _one_hot(true, concepts), weights, reduction="sum"
    )
    return losses / weights.sum().clamp(min=1.0)


class BestHead:
    """Scores a head on what is held back, as it would be stored, and keeps the best one on disk."""

    def __init__(
        self,
        engine: FineTunable,
        base: nn.Module,
        module: nn.Module,
        held_back: Material,
        vocabulary: Vocabulary,
        path: Path,
    ) -> None:
        self._engine = engine
        self._base = base
        self._module = module
        self._held_back = held_back
        self._vocabulary = vocabulary
        self._path = path
        self._best = best_score(path)

    def score(self) -> float:
        """Of the weights that are in the module now."""
        added = added_between(self._base, self._module)
        head = tuned(self._base, TunedHead("", added)).eval()
        scoring = partial(scores_of, self._engine, head, vocabulary=self._vocabulary)
        quality = quality_of(self._held_back, self._vocabulary, scoring)
        if self._best is None or quality > self._best:
            self._best = quality
            write_whole(self._path, save(added, metadata={"score": repr(quality)}))
        return quality


def best_score(path: Path) -> float | None:
    """Of the best head that was kept; None: there is none yet."""
    if not path.is_file():
        return None
    with safe_open(path, framework="numpy") as file:
        return float(file.metadata()["score"])


def best_head(path: Path) -> dict[str, NDArray[np.float16]]:
    """What was added to the head that the model came with."""
    with safe_open(path, framework="numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def _renumbered(windows: Material, asked: Tensor) -> Material:
    """The same cells, asked for those concepts alone."""
    table = torch.full((len(windows.vectors) + 2,), UNKNOWN, dtype=torch.int16)
    table[asked] = torch.arange(len(asked), dtype=torch.int16)
    table[UNKNOWN], table[NONE] = UNKNOWN, NONE  # from the end, as negative places count
    return Material(
        windows.features,
        table[windows.certain.long()],
        table[windows.rejected.long()],
        table[windows.guessed.long()],
        windows.pictures,
        windows.vectors[asked],
    )


def _balance(own: Tensor, kinds: int) -> Tensor:
    """(windows, rows, columns), 1 on average: of each kind of cells less, the more there are."""
    known = own != UNKNOWN
    counts = torch.bincount(own[known], minlength=kinds).float().clamp(min=1.0)
    weights = torch.where(known, counts.rsqrt()[own.clamp(min=0)], 0.0)
    return weights * (known.sum() / weights.sum().clamp(min=1e-12))


def _one_hot(numbers: Tensor, concepts: int) -> Tensor:
    """(windows, rows, columns) -> (windows, concepts, rows, columns); nothing for UNKNOWN."""
    marked = functional.one_hot(numbers.clamp(min=UNKNOWN) + 1, concepts + 1)
    return marked[..., 1:].movedim(-1, 1).float()
