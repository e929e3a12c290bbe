"""Run under torchrun by a test: tiny trainings, good, bad, and stopped, of two processes."""

from __future__ import annotations

import dataclasses
import sys
import time
from pathlib import Path
from unittest.mock import patch

import torch

from ovseg_annotate.errors import RunError
from ovseg_annotate.training import loop
from ovseg_annotate.training.checkpoints import Checkpoint, save_checkpoint
from ovseg_annotate.training.distributed import Peers, peers_of_torchrun
from ovseg_annotate.training.loop import train
from tests.training.tiny_training import FEW_STEPS, LineFitting, NumberBatches

SIX_STEPS = dataclasses.replace(FEW_STEPS, steps=6)


def train_both(folder: Path, peers: Peers) -> None:
    good = LineFitting(dropout=0.0)
    train(good, NumberBatches(), SIX_STEPS, folder / "good", peers=peers)
    # Only one of them meets the bad number; both have to stop.
    bad = LineFitting(float("nan") if peers.rank == 1 else None, dropout=0.0)
    try:
        train(bad, NumberBatches(), SIX_STEPS, folder / "bad", peers=peers)
    except RunError as error:
        (folder / f"stopped_{peers.rank}").write_text(str(error))


def go_on_at_once(folder: Path, peers: Peers) -> None:
    """Stopped after three steps; the leader's disk is slow."""

    def slowly(folder: Path, checkpoint: Checkpoint) -> None:
        time.sleep(0.5)  # that the other one could use to go on without it
        save_checkpoint(folder, checkpoint)

    with patch.object(loop, "save_checkpoint", slowly):
        for steps in (3, SIX_STEPS.steps):
            some = dataclasses.replace(SIX_STEPS, steps=steps, checkpoint_every=2)
            train(LineFitting(dropout=0.0), NumberBatches(), some, folder, peers=peers)


def start_apart(folder: Path, peers: Peers) -> None:
    """Each process sees a folder of its own, as on machines that share no disk."""
    own = folder / f"own_{peers.rank}"
    if peers.leads:
        train(LineFitting(dropout=0.0), NumberBatches(), FEW_STEPS, own)
    more = dataclasses.replace(FEW_STEPS, steps=FEW_STEPS.steps + 1)
    try:
        train(LineFitting(dropout=0.0), NumberBatches(), more, own, peers=peers)
    except RunError as error:
        (folder / f"apart_{peers.rank}").write_text(str(error))


if __name__ == "__main__":
    torch.set_num_threads(1)
    with peers_of_torchrun(torch.device("cpu")) as joined:
        where = Path(sys.argv[1])
        train_both(where, joined)
        go_on_at_once(where / "at_once", joined)
        start_apart(where, joined)
