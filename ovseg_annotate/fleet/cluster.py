"""A fleet from its start to its end: the only module that starts Ray or joins a cluster."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ovseg_annotate.errors import Cancelled, OptionError, OvsegError, RunError
from ovseg_annotate.fleet.conductor import Conductor, Ended
from ovseg_annotate.fleet.job import Job, SessionPlan, Stop
from ovseg_annotate.fleet.options import FleetOptions
from ovseg_annotate.fleet.plan import PartPlan
from ovseg_annotate.fleet.sizes import Node, sizes_that_fit, worker_sizes
from ovseg_annotate.fleet.stages import Opened, WrittenPart, check_version, tried

_LOOPBACK = "127.0.0.1"
_STORE_BYTES = 2**30  # of parts on their way, on one machine
_ASKED_EVERY = 0.3  # seconds, whether to stop
_LOOKED_EVERY = 2.0  # seconds, whether all machines are there
_NOTICED = 60.0  # seconds until a cluster knows of a lost machine: its checks need 15 to 50
# Other machines may be lost in the middle; without the head there is no cluster either.
_ON_HEAD = {"node:__internal_head__": 0.001}


@contextmanager
def fleet(options: FleetOptions, *, on_cpu: bool = False) -> Iterator[Fleet]:
    """Start workers on this machine, or join a cluster; what was started here ends here."""
    ray = _imported()
    with _joined(ray, options.fleet or "local"):
        yield Fleet(ray, options, on_cpu=on_cpu)


class Fleet:
    """Machines that wait for work."""

    def __init__(self, ray: Any, options: FleetOptions, *, on_cpu: bool) -> None:
        self.ray = ray
        self.sizes = worker_sizes(options, list(self._machines().values()), on_cpu=on_cpu)
        self._options = options
        self._on_cpu = on_cpu

    def opened(self, session: SessionPlan, stop: Stop) -> Opened:
        """Open the session on one machine, to know its weights and that it can be opened."""
        with self._losses_explained():
            task = self.ray.remote(num_cpus=0, num_gpus=self.sizes.gpus)(tried)
            answer: Opened | OvsegError = self._awaited(task.remote(session), stop)
        if isinstance(answer, OvsegError):
            raise answer
        check_version(answer)
        return answer

    def annotated(self, job: Job, parts: Sequence[PartPlan], stop: Stop) -> Iterator[WrittenPart]:
        """Give each part out when it is in the lake; raises `Cancelled` when told to stop.

        When a machine is lost, the others go on with what is left.
        """
        left = {part.pictures[0].name: part for part in parts}
        with self._losses_explained():
            while left:
                machines = self._machines()
                try:
                    for part in self._conducted(job, tuple(left.values()), stop, machines):
                        del left[part.pictures[0].name]
                        yield part
                except _MachineLostError:
                    # Ray starts lost workers again wherever there is room, that of the files too.
                    remaining = list(self._machines().values())
                    self.sizes = sizes_that_fit(self._options, remaining, on_cpu=self._on_cpu)

    def _conducted(
        self, job: Job, parts: Sequence[PartPlan], stop: Stop, machines: Collection[str]
    ) -> Iterator[WrittenPart]:
        conductor = self.ray.remote(num_cpus=0, resources=_ON_HEAD)(Conductor).remote(
            job, parts, self.sizes, self._options.patience
        )
        try:
            while True:
                part: WrittenPart | Ended = self._awaited(conductor.next.remote(), stop, machines)
                if isinstance(part, WrittenPart):
                    yield part
                elif part.error is None:
                    return
                else:
                    if part.deaths and len(machines) > 1:
                        self._look_for_the_lost(machines, stop)
                    raise part.error
        finally:
            if self.ray.is_initialized():  # or nothing is left to be ended
                self.ray.kill(conductor)  # and with it all that works for it

    def _awaited(self, reference: object, stop: Stop, machines: Collection[str] = ()) -> Any:
        looked = time.monotonic()
        while not self.ray.wait([reference], timeout=_ASKED_EVERY)[0]:
            _heed(stop)
            if machines and time.monotonic() > looked + _LOOKED_EVERY:
                self._check_all_there(machines)
                looked = time.monotonic()
        _heed(stop)
        return self.ray.get(reference)

    def _look_for_the_lost(self, machines: Collection[str], stop: Stop) -> None:
        """Workers die sooner than the cluster knows that their machine is gone."""
        deadline = time.monotonic() + _NOTICED
        while time.monotonic() < deadline:
            _heed(stop)
            self._check_all_there(machines)
            time.sleep(_ASKED_EVERY)

    def _check_all_there(self, machines: Collection[str]) -> None:
        if not set(machines) <= self._machines().keys():
            raise _MachineLostError

    @contextmanager
    def _losses_explained(self) -> Iterator[None]:
        """What is lost with the head, or with the actor on it, cannot be mended from here."""
        from ray.exceptions import RayActorError, RayTaskError, WorkerCrashedError  # noqa: PLC0415

        try:
            yield
        except (OvsegError, RayTaskError):  # the latter is a defect of ours over there
            raise
        except Exception as error:
            ended = isinstance(error, (RayActorError, WorkerCrashedError))
            if not ended and self.ray.is_initialized():
                raise
            raise RunError(
                f"--fleet {self._options.fleet}: the cluster, or its head, is lost ({error}). What "
                "is finished is kept; when the cluster is back, the same command goes on"
            ) from error

    def _machines(self) -> dict[str, Node]:
        alive = (each for each in self.ray.nodes() if each["Alive"])
        return {each["NodeID"]: _node(each["Resources"]) for each in alive}


class _MachineLostError(Exception):
    """A machine of the cluster is gone, with whatever it had in hand."""


def _heed(stop: Stop) -> None:
    if stop():
        raise Cancelled("stopped on request")


def _imported() -> Any:
    # Read when it is imported. Ray tells its makers about every cluster otherwise, and prints on
    # stdout, among our data, whatever befalls a worker: what matters of it comes back as errors.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_DEDUP_LOGS_SKIP_REGEX"] = "."
    os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"  # or it starts one here when a cluster is lost
    try:
        import ray  # noqa: PLC0415  only fleets need it
        import ray.data  # noqa: PLC0415
    except ImportError as error:
        raise OptionError(
            f"--fleet needs Ray, which is not installed here ({error}); "
            'pip install "ovseg-annotate[fleet]"'
        ) from error
    return ray


@contextmanager
def _joined(ray: Any, where: str) -> Iterator[None]:
    if ray.is_initialized():  # a host program has joined already, and will leave
        yield
        return
    try:
        if where == "local":
            _start(ray)
        else:
            ray.init(where, log_to_driver=False, logging_level=logging.ERROR)
    # Ray raises anything from ConnectionError to ValueError when a cluster cannot be joined.
    except Exception as error:
        raise RunError(
            f"--fleet {where}: cannot be joined: {error}. Look whether the cluster runs the same "
            "versions of Python and Ray and can be reached, whether RAY_AUTH_TOKEN is its token, "
            'and for ray:// whether pip install "ray[client]" was done'
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _start(ray: Any) -> None:
    ray.init(
        "local",  # never one that happens to run here
        num_cpus=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        object_store_memory=_STORE_BYTES,
        _node_ip_address=_LOOPBACK,  # works without a network, and listens to nobody else
    )


def _node(resources: dict[str, float]) -> Node:
    return Node(resources.get("CPU", 0.0), resources.get("GPU", 0.0))
