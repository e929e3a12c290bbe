"""How a fleet is made."""

from __future__ import annotations

from dataclasses import dataclass

from ovseg_annotate.errors import OptionError
from ovseg_annotate.lake.schema import MOST_PICTURES


@dataclass(frozen=True, slots=True)
class FleetOptions:
    """Over how many workers the pictures go, and where those are."""

    fleet: str | None = None  # local, auto (a cluster that this machine is in), ray://HEAD:10001
    workers: int = 0  # sessions at once; 0: one a GPU, or one for every four CPUs
    worker_gpus: float = 0.0  # GPUs of a worker, 0.25 for four on one; 0: one, if there are any
    worker_cpus: float = 0.0  # CPUs of a worker; 0: an even share that leaves some for files
    part_pictures: int = 64  # most pictures that are written at once, in a lake that is new
    patience: float = 900.0  # seconds without any progress after which the fleet gives up
    retry_failed: bool = False  # annotate pictures again that failed before

    def __post_init__(self) -> None:
        if self.fleet is not None and not (
            self.fleet in ("local", "auto") or self.fleet.startswith("ray://")
        ):
            raise OptionError(
                f"--fleet {self.fleet}: expected local (workers on this machine), auto (a Ray "
                "cluster that this machine belongs to) or ray://HEAD:10001"
            )
        if self.workers < 0:
            raise OptionError(f"--workers {self.workers}: expected 1 or more, or 0 to choose")
        if min(self.worker_gpus, self.worker_cpus) < 0:
            raise OptionError("--worker-gpus and --worker-cpus are 0 or more")
        if not 1 <= self.part_pictures <= MOST_PICTURES:
            raise OptionError(
                f"--part-pictures {self.part_pictures}: allowed: 1 to {MOST_PICTURES}"
            )
        if self.patience <= 0:
            raise OptionError(f"--patience {self.patience:g}: expected more than 0 seconds")
