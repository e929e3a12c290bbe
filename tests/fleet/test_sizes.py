"""Workers fit their machines and leave room for files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from ovseg_annotate.errors import OptionError
from ovseg_annotate.fleet.options import FleetOptions
from ovseg_annotate.fleet.sizes import FILE_CPUS, Node, sizes_that_fit, worker_sizes


@given(
    cpus=some.lists(some.integers(1, 96), min_size=1, max_size=6),
    workers=some.integers(0, 40),
)
def test_all_workers_find_a_place_and_files_keep_theirs(cpus: list[int], workers: int) -> None:
    nodes = [Node(count, 0) for count in cpus]
    sizes = worker_sizes(FleetOptions(workers=workers), nodes, on_cpu=False)
    assert workers in (sizes.workers, 0)
    # However Ray spreads them: what the workers leave of every machine is enough for a task.
    placed = [int((node.cpus - FILE_CPUS) / sizes.cpus) for node in nodes]
    assert sum(placed) >= sizes.workers
    most = max(int(node.cpus / sizes.cpus) for node in nodes)
    assert most >= 1
    assert sum(cpus) - sizes.workers * sizes.cpus >= min(1, sum(cpus) / 2) - 0.01


@pytest.mark.parametrize(
    ("options", "node", "workers", "threads"),
    [
        (FleetOptions(workers=1), Node(2, 0), 1, 2),
        (FleetOptions(workers=2), Node(2, 0), 2, 1),
        (FleetOptions(workers=5), Node(2, 0), 5, 1),
        (FleetOptions(), Node(64, 0), 16, 4),
        (FleetOptions(), Node(64, 8), 8, 8),
        (FleetOptions(worker_gpus=0.5), Node(64, 8), 16, 4),
    ],
)
def test_workers_share_the_cores_and_the_gpus(
    options: FleetOptions, node: Node, workers: int, threads: int
) -> None:
    sizes = worker_sizes(options, [node], on_cpu=False)
    assert (sizes.workers, sizes.threads) == (workers, threads)


def test_gpus_are_left_alone_by_sessions_on_cpus() -> None:
    assert worker_sizes(FleetOptions(), [Node(64, 8)], on_cpu=True).gpus == 0


def test_machines_without_gpus_take_no_workers_that_want_one() -> None:
    sizes = worker_sizes(FleetOptions(), [Node(96, 0), Node(9, 2)], on_cpu=False)
    assert (sizes.workers, sizes.cpus) == (2, 4)


def test_a_worker_without_a_gpu_has_one_part_in_hand_and_others_overlap_theirs() -> None:
    assert worker_sizes(FleetOptions(workers=2), [Node(2, 0)], on_cpu=False).calls == 1
    assert worker_sizes(FleetOptions(workers=1), [Node(2, 0)], on_cpu=False).calls == 1
    assert worker_sizes(FleetOptions(workers=1), [Node(8, 1)], on_cpu=False).calls == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (FleetOptions(workers=4, worker_gpus=0.6), "the fleet has 2 GPUs, enough for 2"),
        (FleetOptions(workers=2, worker_cpus=4), "the fleet has 7 CPUs, enough for 1"),
        (FleetOptions(workers=2, worker_gpus=1.5), "the fleet has 2 GPUs, enough for 1"),
    ],
)
def test_workers_that_do_not_fit_are_refused_with_what_would(
    options: FleetOptions, message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        worker_sizes(options, [Node(8, 2)], on_cpu=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fleet": "s3://x"}, "expected local"),
        ({"workers": -1}, "expected 1 or more"),
        ({"worker_cpus": -1.0}, "0 or more"),
        ({"part_pictures": 0}, "1 to 4096"),
        ({"patience": 0.0}, "more than 0 seconds"),
    ],
)
def test_flags_out_of_range_are_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        FleetOptions(**changes)  # type: ignore[arg-type]


def test_what_is_left_of_a_cluster_has_as_many_workers_as_find_a_place() -> None:
    asked = FleetOptions(workers=4, worker_gpus=1)
    assert sizes_that_fit(asked, [Node(8, 4)], on_cpu=False).workers == 4
    assert sizes_that_fit(asked, [Node(8, 2)], on_cpu=False).workers == 2
    with pytest.raises(OptionError, match="do not fit"):
        sizes_that_fit(asked, [Node(8, 0)], on_cpu=False)
    # Without a number, the machines say how many.
    assert sizes_that_fit(FleetOptions(), [Node(8, 3)], on_cpu=False).workers == 3
