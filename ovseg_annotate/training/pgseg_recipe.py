"""A recipe of PGSeg: what a file says about a run, and how it is started and exported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from ovseg_annotate.backbones.digests import sha256_of
from ovseg_annotate.backbones.group_network import PgsegNetwork
from ovseg_annotate.backbones.group_start import begin_with_tower, frozen_state, tower_folder
from ovseg_annotate.backbones.group_text import published_merges
from ovseg_annotate.backbones.group_vit import GroupSizes
from ovseg_annotate.backbones.group_weights import PgsegParts
from ovseg_annotate.backbones.system_folder import SystemCard, write_system
from ovseg_annotate.backbones.tokenizer_subset import read_merges, vocabulary_size
from ovseg_annotate.training.checkpoints import last_checkpoint
from ovseg_annotate.training.distributed import Peers
from ovseg_annotate.training.loop import ALONE, Outcome, train
from ovseg_annotate.training.options import LoopOptions
from ovseg_annotate.training.pgseg import PgsegTraining, Stages
from ovseg_annotate.training.pgseg_batches import PairBatches, PairPictures, Reading
from ovseg_annotate.training.pgseg_probe import mean_iou
from ovseg_annotate.training.progress import Progress

_CPU = torch.device("cpu")
_DEFAULT_LOOP = LoopOptions(clip_norm=5.0, precision="fp32")


@dataclass(frozen=True, slots=True)
class PgsegUse:
    """How the weights are used; goes on their card."""

    template: str = "a photo of a {}."
    window: int = 448  # pixels, both sides
    short_side: int | None = 448  # bring pictures to it; None: as they are, times:
    magnification: float = 1.0
    threshold: float | None = None  # default minimum confidence; None: the engine's own
    licence: str = "Apache-2.0"


@dataclass(frozen=True, slots=True)
class PgsegRecipe:
    """A table of the file each; a table left out has its defaults."""

    system: Literal["pgseg"] = "pgseg"
    tower: str = ""  # its text half and its first blocks stay as they are; empty: from nothing
    skipped: float = 0.1  # share of pictures that the last block leaves out; earlier ones less
    sizes: GroupSizes = field(default_factory=GroupSizes)
    pictures: PairPictures = field(default_factory=PairPictures)
    stages: Stages = field(default_factory=Stages)
    use: PgsegUse = field(default_factory=PgsegUse)
    loop: LoopOptions = _DEFAULT_LOOP

    def train(
        self,
        run_folder: Path,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        device: torch.device = _CPU,
        peers: Peers = ALONE,
    ) -> Outcome:
        """Train both stages, or go on where the run folder left off."""
        loop, network = self.loop, self.network()
        if peers.count > 1 and device.type == "cuda":
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        training = PgsegTraining(network.to(device), self.stages, peers)
        first = self.stages.groupvit * loop.accumulate * peers.count
        source = PairBatches(self.pictures, self.reading(), loop.seed, first)
        score = partial(mean_iou, training, self.reading())
        return train(training, source, loop, run_folder, on_progress, peers, score=score)

    def export(self, run_folder: Path, folder: Path) -> None:
        """Write the averaged weights of the last checkpoint as pgseg@FOLDER."""
        checkpoint = last_checkpoint(run_folder)
        use = self.use
        parts = PgsegParts(
            sizes=self._sizes(),
            prototypes=self.stages.prototypes and checkpoint.step > self.stages.groupvit,
            template=use.template,
            window=use.window,
            short_side=use.short_side,
            magnification=use.magnification,
        )
        state = {**checkpoint.module, **checkpoint.averaged}  # counts of batches have no average
        of_tower = frozen_state(self.network())
        state = {name: value for name, value in state.items() if name not in of_tower}
        tower = tower_folder(self.tower) if self.tower else None
        card = SystemCard(
            system=self.system,
            tower=self.tower,
            tower_digest="" if tower is None else sha256_of(tower.weights),
            parts=asdict(parts),
            threshold=use.threshold,
            licence=use.licence,
            known_words=() if tower is None else tower.card.known_words,
            trained_steps=checkpoint.step,
        )
        write_system(folder, card, state)

    def reading(self) -> Reading:
        return Reading(self.sizes.image, self._merges(), self.sizes.text_tokens)

    def network(self) -> PgsegNetwork:
        """At its beginning, by the seed; what was drawn before in this process changes nothing."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.loop.seed)
            network = PgsegNetwork(self._sizes(), self.skipped)
        if self.tower:
            begin_with_tower(network, tower_folder(self.tower))
        return network

    def _merges(self) -> Path:
        return tower_folder(self.tower).merges if self.tower else published_merges()

    def _sizes(self) -> GroupSizes:
        """The vocabulary is that of the byte-pair table."""
        return replace(self.sizes, vocabulary=vocabulary_size(read_merges(self._merges())))
