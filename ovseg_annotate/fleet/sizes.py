"""How large a worker is, so that all of them fit and files are still read and written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ovseg_annotate.errors import OptionError
from ovseg_annotate.fleet.options import FleetOptions

FILE_CPUS = 0.25  # of a task that reads or writes: it mostly waits
_CPUS_A_WORKER = 4  # of a session on CPUs: more threads help it less and less


@dataclass(frozen=True, slots=True)
class Node:
    """What a machine of the fleet offers."""

    cpus: float
    gpus: float


@dataclass(frozen=True, slots=True)
class WorkerSizes:
    """What Ray keeps for each worker, and what the worker makes of it."""

    workers: int
    cpus: float  # kept for one; fractions are fine
    gpus: float
    threads: int  # of torch

    @property
    def calls(self) -> int:
        """Parts that a worker has in hand: while one is outlined, the next is encoded."""
        if self.gpus:
            return 3  # one to decode, one on the device, one to outline
        return min(2, self.threads)


def worker_sizes(options: FleetOptions, nodes: Sequence[Node]) -> WorkerSizes:
    """Fit the workers into the machines.

    A pool of workers that takes every CPU starves the tasks that read for it, and waits for them
    for ever: on every machine a share stays free for files.
    """
    usable = [Node(node.cpus - _for_files(node.cpus), node.gpus) for node in nodes]
    gpus = options.worker_gpus or (1.0 if any(node.gpus >= 1 for node in nodes) else 0.0)
    workers = options.workers or _workers(nodes, gpus)
    if gpus and (fitting := _fitting([node.gpus for node in nodes], gpus)) < workers:
        raise OptionError(
            f"{workers} workers with {gpus:g} GPUs each do not fit: the fleet has "
            f"{sum(node.gpus for node in nodes):g} GPUs, enough for {fitting}; give fewer "
            "--workers or smaller --worker-gpus"
        )
    share = options.worker_cpus or _share(usable, workers)
    if (fitting := _fitting([node.cpus for node in usable], share)) < workers:
        raise OptionError(
            f"{workers} workers with {share:g} CPUs each do not fit: beside what reading and "
            f"writing need, the fleet has {sum(node.cpus for node in usable):g} CPUs, enough for "
            f"{fitting}; give fewer --workers or smaller --worker-cpus"
        )
    threads = max(1, round(share * _whole(nodes) / max(_whole(usable), 1e-9)))
    return WorkerSizes(workers, share, gpus, threads)


def _for_files(cpus: float) -> float:
    return min(1.0, cpus / 2)


def _workers(nodes: Sequence[Node], gpus: float) -> int:
    if gpus:
        return max(1, _fitting([node.gpus for node in nodes], gpus))
    return max(1, int(_whole(nodes) // _CPUS_A_WORKER))


def _whole(nodes: Sequence[Node]) -> float:
    return sum(node.cpus for node in nodes)


def _share(usable: Sequence[Node], workers: int) -> float:
    """The largest even share that lets all workers find a place."""
    shares = {node.cpus / count for node in usable for count in range(1, workers + 1)}
    rounded = {int(share * 1000) / 1000 for share in shares}  # Ray counts in ten-thousandths
    fitting = [each for each in rounded if each and _fits(usable, each, workers)]
    return max(fitting, default=0.001)


def _fits(usable: Sequence[Node], share: float, workers: int) -> bool:
    return _fitting([node.cpus for node in usable], share) >= workers


def _fitting(offered: Sequence[float], each: float) -> int:
    return sum(int((amount + 1e-9) / each) for amount in offered)
