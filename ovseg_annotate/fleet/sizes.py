"""How large a worker is, so that all of them fit and files are still read and written."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

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
        """Parts that a worker has in hand: on a GPU one is outlined while the next is encoded.

        Without one, both would want the same cores, which takes a tenth longer than in turn.
        """
        return 3 if self.gpus else 1  # one to decode, one on the device, one to outline


def worker_sizes(options: FleetOptions, nodes: Sequence[Node], *, on_cpu: bool) -> WorkerSizes:
    """Fit the workers into the machines.

    A pool of workers that takes every CPU starves the tasks that read for it, and waits for them
    for ever: on every machine a share stays free for files.
    """
    gpus = 0.0 if on_cpu else options.worker_gpus
    if not gpus and not on_cpu and any(node.gpus >= 1 for node in nodes):
        gpus = 1.0
    usable = [Node(_for_workers(node.cpus), node.gpus) for node in nodes]
    workers = options.workers or _workers(nodes, gpus)
    if (fitting := _places(usable, 0, gpus, workers)) < workers:
        raise OptionError(
            f"{workers} workers with {gpus:g} GPUs each do not fit: the fleet has "
            f"{sum(node.gpus for node in nodes):g} GPUs, enough for {fitting}; give fewer "
            "--workers or smaller --worker-gpus"
        )
    share = options.worker_cpus or _share(usable, workers, gpus)
    if (fitting := _places(usable, share, gpus, workers)) < workers:
        raise OptionError(
            f"{workers} workers with {share:g} CPUs each do not fit: beside what reading and "
            f"writing need, the fleet has {sum(node.cpus for node in usable):g} CPUs, enough for "
            f"{fitting}; give fewer --workers or smaller --worker-cpus"
        )
    # What is kept for files is little work: threads may have it.
    whole = max(node.cpus / _for_workers(node.cpus) for node in nodes if node.cpus)
    return WorkerSizes(workers, share, gpus, max(1, round(share * whole)))


def sizes_that_fit(options: FleetOptions, nodes: Sequence[Node], *, on_cpu: bool) -> WorkerSizes:
    """The same on the machines that are left, with fewer workers where all found no place."""
    for workers in range(options.workers, 1, -1):
        with suppress(OptionError):
            return worker_sizes(replace(options, workers=workers), nodes, on_cpu=on_cpu)
    fewest = replace(options, workers=min(options.workers, 1))
    return worker_sizes(fewest, nodes, on_cpu=on_cpu)


def _for_workers(cpus: float) -> float:
    return cpus - min(1.0, cpus / 2)


def _workers(nodes: Sequence[Node], gpus: float) -> int:
    if gpus:
        return max(1, sum(_on_gpus(node, gpus) for node in nodes))
    return max(1, int(sum(node.cpus for node in nodes) // _CPUS_A_WORKER))


def _share(usable: Sequence[Node], workers: int, gpus: float) -> float:
    """The largest even share that lets all workers find a place."""
    shares = {node.cpus / count for node in usable for count in range(1, workers + 1)}
    rounded = {int(share * 1000) / 1000 for share in shares}  # Ray counts in ten-thousandths
    fitting = (each for each in rounded if each and _places(usable, each, gpus, workers) >= workers)
    return max(fitting, default=0.001)


def _places(usable: Sequence[Node], cpus: float, gpus: float, enough: int) -> int:
    """How many workers of this size find a place; at most `enough` on each machine."""
    return sum(
        min(
            enough,
            int((node.cpus + 1e-9) / cpus) if cpus else enough,
            _on_gpus(node, gpus) if gpus else enough,
        )
        for node in usable
    )


def _on_gpus(node: Node, gpus: float) -> int:
    """A fraction is one of a single GPU."""
    if gpus > 1:
        return int(node.gpus / gpus)
    return int(node.gpus) * int((1 + 1e-9) / gpus)
