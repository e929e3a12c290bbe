"""The line of stages, as Ray Data runs it.

It runs in an actor, on the head of a cluster as well as at home: Ray Data does not work through a
ray:// connection, and a process of its own keeps what Ray says off the person's terminal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ovseg_annotate.errors import OvsegError, RunError
from ovseg_annotate.fleet.job import Job
from ovseg_annotate.fleet.plan import PartPlan
from ovseg_annotate.fleet.sizes import FILE_CPUS, WorkerSizes
from ovseg_annotate.fleet.stages import Annotator, WrittenPart, fetch, packed, unpacked, write

# A part that ends its worker so often is a reason to stop: it would end every worker in turn.
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Ended:
    """No part is left, or none can be done."""

    error: OvsegError | None = None
    deaths: bool = False  # whether workers died of it, or were lost with their machine


class Conductor:
    """Gives out the parts as they are written."""

    def __init__(
        self, job: Job, parts: Sequence[PartPlan], sizes: WorkerSizes, patience: float
    ) -> None:
        self._written = _written(job, parts, sizes, patience)
        self._patience = patience

    def next(self) -> WrittenPart | Ended:
        """Wait for the next part; errors of ours come back as values, others are raised."""
        try:
            part = next(self._written, None)
        # Ray raises errors of its own, some of which a person can do something about.
        except Exception as error:
            explained = _explained(error, self._patience)
            if explained is None:
                raise
            return explained
        if part is None or isinstance(part, OvsegError):
            return Ended(part)
        return part


def _written(
    job: Job, parts: Sequence[PartPlan], sizes: WorkerSizes, patience: float
) -> Iterator[WrittenPart | OvsegError]:
    import ray.data  # noqa: PLC0415  only fleets need it

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_no_progress_timeout_s = patience
    pool = ray.data.ActorPoolStrategy(
        size=sizes.workers,
        max_tasks_in_flight_per_actor=sizes.calls + 1,  # the next part waits at the worker's door
        max_concurrent_calls_per_actor=sizes.calls,
        enable_true_multi_threading=sizes.calls > 1,  # a session is safe to share
    )
    rows = [packed(part) for part in parts]
    # Ray's annotations know no functions of more than a row: what fn_args are for.
    written = (
        ray.data.from_items(rows, override_num_blocks=len(rows))
        .map(fetch, fn_args=(job.reading,), num_cpus=FILE_CPUS)  # type: ignore[arg-type]
        .map(
            Annotator,  # type: ignore[arg-type]
            fn_constructor_args=(job, sizes.threads),
            compute=pool,
            num_cpus=sizes.cpus,
            num_gpus=sizes.gpus,
            max_task_retries=_TRIES,
        )
        .map(write, fn_args=(job,), num_cpus=FILE_CPUS)  # type: ignore[arg-type]
    )
    for row in written.iter_rows():
        yield unpacked(row, WrittenPart)


def _explained(error: Exception, patience: float) -> Ended | None:
    """What Ray's own errors mean for a person; None for those that are defects."""
    from ray.data.exceptions import ExecutionTimeoutError  # noqa: PLC0415
    from ray.exceptions import RayActorError, WorkerCrashedError  # noqa: PLC0415

    for each in _chain(error):
        if isinstance(each, ExecutionTimeoutError):
            stalled = RunError(
                f"the fleet made no progress for {patience:g} s: its machines may be taken by "
                "other work, or a part takes that long; give fewer --workers or more --patience. "
                "What is finished is kept"
            )
            return Ended(stalled)
        if isinstance(each, RayActorError) and each.actor_init_failed:
            return None
        if isinstance(each, (RayActorError, WorkerCrashedError)):
            died = RunError(
                f"workers died over the same pictures {_TRIES + 1} times, killed for want of "
                "memory as a rule; give fewer --workers. What is finished is kept, and the same "
                "command goes on"
            )
            return Ended(died, deaths=True)
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = getattr(error, "cause", None) or error.__cause__
