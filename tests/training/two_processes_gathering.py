"""Run under torchrun by a test: each process has two of four rows and learns from all of them."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor

from ovseg_annotate.training.distributed import Peers, peers_of_torchrun
from ovseg_annotate.training.pgseg import gathered

ROWS = torch.tensor([[1.0, 2.0], [3.0, -1.0], [0.5, 4.0], [-2.0, 1.0]])


def whole_loss(rows: Tensor) -> Tensor:
    """Every row meets every other one."""
    return (rows @ rows.T).logsumexp(dim=1).sum()


def learn(folder: Path, peers: Peers) -> None:
    own = ROWS[2 * peers.rank : 2 * peers.rank + 2].clone().requires_grad_()
    loss = whole_loss(gathered(own, peers))
    loss.backward()  # type: ignore[no-untyped-call]
    torch.save({"loss": loss.detach(), "gradient": own.grad}, folder / f"{peers.rank}.pt")


if __name__ == "__main__":
    torch.set_num_threads(1)
    with peers_of_torchrun(torch.device("cpu")) as joined:
        learn(Path(sys.argv[1]), joined)
