"""Several processes that train one model: the few exchanges the loop needs.

Each process works on its own batches; gradients are averaged before every step, so all of them
hold the same weights all the time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.rendezvous import rendezvous

from ovseg_annotate.training.meeting import meet

_MEETING = timedelta(minutes=5)  # machines start at their own pace
_STEP = timedelta(minutes=30)  # others wait while the first process measures a score


@dataclass(frozen=True, slots=True)
class Peers:
    """Which of the processes that train together is this one."""

    rank: int = 0
    count: int = 1

    @property
    def leads(self) -> bool:
        """The one that writes to the run folder."""
        return self.rank == 0


@contextmanager
def peers_of_torchrun(device: torch.device) -> Iterator[Peers]:
    """Join the processes that `torchrun` started; alone where it did not start any."""
    if "WORLD_SIZE" not in os.environ:
        yield Peers()
        return
    backend = "nccl" if device.type == "cuda" else "gloo"
    store, rank, count = next(rendezvous("env://", timeout=_MEETING))
    own = meet(store, rank, count, _MEETING)
    store.set_timeout(_STEP)
    dist.init_process_group(backend, store=own, rank=rank, world_size=count, timeout=_STEP)
    try:
        yield Peers(rank, count)
    finally:
        dist.destroy_process_group()


def average_gradients(module: nn.Module, peers: Peers) -> None:
    """Give every process the mean gradient, in one exchange."""
    if peers.count == 1:
        return
    gradients = [value.grad for value in module.parameters() if value.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    flat /= peers.count
    start = 0
    for gradient in gradients:
        gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
        start += gradient.numel()


def average_numbers(numbers: Mapping[str, float], device: torch.device, peers: Peers) -> Tensor:
    """The mean over all processes, in the mapping's order."""
    values = torch.tensor(list(numbers.values()), dtype=torch.float64, device=device)
    if peers.count > 1:
        dist.all_reduce(values)
        values /= peers.count
    return values


def steps_of_all(step: int, device: torch.device, peers: Peers) -> tuple[int, ...]:
    """The step that each process has come to; nobody goes on before all have told."""
    if peers.count == 1:
        return (step,)
    steps = torch.zeros(peers.count, dtype=torch.int64, device=device)
    steps[peers.rank] = step
    dist.all_reduce(steps)
    return tuple(steps.tolist())


def any_of(flag: bool, device: torch.device, peers: Peers) -> bool:  # noqa: FBT001
    """Whether any process says so; all of them get the same answer."""
    if peers.count == 1:
        return flag
    said = torch.tensor(int(flag), device=device)
    dist.all_reduce(said, op=dist.ReduceOp.MAX)
    return bool(said.item())
