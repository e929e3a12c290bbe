"""Training of a head on a tower: the tower frozen, or its attention tuned along."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from ovseg_annotate.backbones.checkpoints import fill, read_state
from ovseg_annotate.backbones.system_folder import (
    SystemCard,
    SystemFolder,
    find_system,
    write_system,
)
from ovseg_annotate.backbones.weights import load_clip
from ovseg_annotate.cost.loss import Truth
from ovseg_annotate.engines.cost_engine import System, SystemMaker, concept_vectors, tower_wording
from ovseg_annotate.geometry import Size
from ovseg_annotate.text.encoder import LearningPhrases, PhraseEncoder, WordEncoder
from ovseg_annotate.training.checkpoints import last_checkpoint
from ovseg_annotate.training.distributed import Peers
from ovseg_annotate.training.head_batches import HeadBatch, HeadPictures, SceneWindows
from ovseg_annotate.training.head_probe import HeadProbe
from ovseg_annotate.training.labelled_batches import LabelledPictures, LabelledWindows
from ovseg_annotate.training.loop import ALONE, BatchSource, Outcome, train
from ovseg_annotate.training.options import LoopOptions
from ovseg_annotate.training.progress import Progress
from ovseg_annotate.vocabulary import Concept, Vocabulary

# The systems that are a head on a tower, and what makes each.
MAKERS: Mapping[str, str] = MappingProxyType(
    {
        "catseg": "ovseg_annotate.engines.catseg:make_catseg",
        "logoseg": "ovseg_annotate.engines.logoseg:make_logoseg",
        "fgaseg": "ovseg_annotate.engines.fgaseg:make_fgaseg",
        "lmseg": "ovseg_annotate.engines.lmseg:make_lmseg",
    }
)

PLAIN = "catseg"  # the trunk by itself

# frozen: the head learns alone. attention: queries and values of both halves learn along.
Tuning: TypeAlias = Literal["frozen", "attention"]

_CPU = torch.device("cpu")
_DEFAULT_LOOP = LoopOptions(learning_rate=2e-3, precision="fp32", weight_decay=1e-4)


@dataclass(frozen=True, slots=True)
class HeadRecipe:
    """A table of the file each; a table left out has its defaults."""

    system: str
    tower: str = "mini"  # as in ENGINE@WEIGHTS, the part after the @
    tuning: Tuning = "frozen"
    start: str = ""  # weights of the plain trunk to begin with, catseg@START; empty: from nothing
    window: int | None = None  # px, its side; None: the tower's
    mask_unlabelled: bool = True  # False, as published: what nobody labelled is no concept
    threshold: float | None = None  # of the exported card; None: the engine's own
    parts: Mapping[str, Any] = field(default_factory=dict)  # what the head is made of
    pictures: HeadPictures = field(default_factory=HeadPictures)  # generated ones
    data: LabelledPictures | None = None  # photographs instead
    loop: LoopOptions = _DEFAULT_LOOP

    def train(
        self,
        run_folder: Path,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        device: torch.device = _CPU,
        peers: Peers = ALONE,
    ) -> Outcome:
        """Train, or go on where the run folder left off."""
        training = self._training(device)
        if self.start:
            begin_with(training.system, find_system(PLAIN, self.start))
        window = training.system.clip.card.window
        if self.window is not None:
            window = Size(self.window, self.window)
        source: BatchSource[HeadBatch]
        score = None
        if self.data is not None:  # the score is of generated scenes and says nothing about these
            source = LabelledWindows(self.data, window, self.loop.seed)
        else:
            source = SceneWindows(self.pictures, window, self.loop.seed)
            score = HeadProbe(training.system, training.bank, training.normalised).score
        return train(training, source, self.loop, run_folder, on_progress, peers, score=score)

    def export(self, run_folder: Path, folder: Path) -> None:
        """Write the averaged weights of the last checkpoint as ENGINE@FOLDER."""
        checkpoint = last_checkpoint(run_folder)
        training = self._training(_CPU)
        card = SystemCard(
            system=self.system,
            tower=self.tower,
            tower_digest=training.system.clip.card.weights_digest,
            parts=training.system.parts,
            window=self.window,
            threshold=self.threshold,
            trained_steps=checkpoint.step,
        )
        write_system(folder, card, _answering(checkpoint.averaged, training.system))

    def _training(self, device: torch.device) -> HeadTraining:
        clip = load_clip(self.tower, offline=True)
        system = maker_of(self.system)(clip, self.parts)
        return HeadTraining(system, self.tuning, device, mask_unlabelled=self.mask_unlabelled)


def begin_with(system: System, trained: SystemFolder) -> None:
    """Put trained weights of the plain trunk where a system has its own trunk."""
    trained.check_tower(system.clip.card.weights_digest)
    state = read_state(trained.weights)
    trunk: nn.Module = getattr(system.head, "trunk", system.head)
    own = {name.removeprefix("head."): value.float() for name, value in state.items()}
    fill(trunk, {**trunk.state_dict(), **own}, trained.weights)


def _answering(weights: Mapping[str, Tensor], system: System) -> dict[str, Tensor]:
    """The weights without those that only a training needs."""
    left_out = tuple(f"head.{beginning}" for beginning in system.training_only)
    return {name: value for name, value in weights.items() if not name.startswith(left_out)}


def maker_of(system: str) -> SystemMaker:
    module, _, attribute = MAKERS[system].partition(":")
    maker: SystemMaker = getattr(importlib.import_module(module), attribute)
    return maker


class HeadTraining:
    """The Trainable: windows through the tower, words through the text half, the head's losses."""

    def __init__(
        self, system: System, tuning: Tuning, device: torch.device, *, mask_unlabelled: bool
    ) -> None:
        self.system = system
        self._mask_unlabelled = mask_unlabelled
        self._tuned = tuning == "attention"
        card = system.clip.card
        self._mean = torch.tensor(card.mean, device=device).view(3, 1, 1)
        self._std = torch.tensor(card.std, device=device).view(3, 1, 1)
        wording = tower_wording(system.clip)
        self._phrases: WordEncoder = PhraseEncoder(system.clip.text, wording)
        halves = {"head": system.head}
        image, text = system.clip.modules
        if self._tuned:
            halves |= {"image": image, "text": text}
            for half in (image, text):
                tune_attention(half)
            self._phrases = LearningPhrases(system.clip.text, wording.templates)
        self._module = nn.ModuleDict(halves).to(device)
        for network in (image, text, *system.guides):
            network.to(device)

    @property
    def module(self) -> nn.Module:
        return self._module

    def normalised(self, images: Tensor) -> Tensor:
        """uint8 windows as the tower wants them."""
        return (images.to(self._mean.device) / 255.0 - self._mean) / self._std

    def losses(self, batch: HeadBatch) -> Mapping[str, Tensor]:
        device = self._mean.device
        pixels = self.normalised(batch.images)
        with torch.set_grad_enabled(self._tuned):
            seen = self.system.see(pixels)
            banks = {own: self.bank(own) for own in dict.fromkeys(batch.phrases)}
        # One for all where all are asked the same.
        asked = batch.phrases if len(banks) > 1 else batch.phrases[:1]
        text = torch.stack([banks[own] for own in asked])
        truth = Truth(batch.labels.to(device), self._mask_unlabelled)
        head: Any = self.system.head
        losses: Mapping[str, Tensor] = head.losses(seen, text[:, :, None], truth)
        return losses

    def bank(self, phrases: tuple[str, ...]) -> Tensor:
        """(phrases, width), unit length; kept from step to step where the tower is frozen."""
        vocabulary = Vocabulary(tuple(Concept(phrase) for phrase in phrases))
        bank = self.system.words(self._phrases, vocabulary)
        return concept_vectors(bank).to(self._mean.device)


def tune_attention(network: nn.Module) -> None:
    """Let the queries and values of every attention learn, and nothing else.

    They share one matrix with the keys, whose third gets no gradient.
    """
    network.requires_grad_(requires_grad=False)
    for name, weights in network.named_parameters():
        if name.endswith("attn.in_proj_weight"):
            weights.requires_grad = True
            weights.register_hook(_without_keys)  # type: ignore[no-untyped-call]


def _without_keys(gradient: Tensor) -> Tensor:
    queries, keys, values = gradient.chunk(3)
    return torch.cat([queries, torch.zeros_like(keys), values])
