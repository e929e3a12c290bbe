"""Run under torchrun by a test: a good and a bad tiny training, shared between the processes."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import torch

from ovseg_annotate.errors import RunError
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


if __name__ == "__main__":
    torch.set_num_threads(1)
    with peers_of_torchrun(torch.device("cpu")) as joined:
        train_both(Path(sys.argv[1]), joined)
