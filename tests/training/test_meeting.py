"""Processes that train together meet those of their own attempt, whatever earlier ones left."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from torch.distributed import HashStore, PrefixStore, Store
from waiting import wait_until

from ovseg_annotate.errors import RunError
from ovseg_annotate.training.meeting import meet
from tests.training.torchrun import run_two

LONG, SHORT = timedelta(seconds=60), timedelta(seconds=0.1)


def met(*processes: Future[PrefixStore]) -> list[PrefixStore]:
    return [each.result(60) for each in processes]


def name_of(store: Store) -> str:
    return store.get("leader").decode()


@pytest.mark.parametrize("count", [1, 2, 5])
def test_all_processes_share_a_part_of_the_store(count: int) -> None:
    store = HashStore()
    with ThreadPoolExecutor(count) as pool:
        parts = met(*(pool.submit(meet, store, rank, count, LONG) for rank in range(count)))
    parts[0].set("a", "1")
    assert all(part.get("a") == b"1" for part in parts)


def test_a_process_that_comes_before_its_leader_does_not_follow_the_dead_one() -> None:
    store = HashStore()
    with ThreadPoolExecutor(2) as pool:
        before, _ = met(*(pool.submit(meet, store, rank, 2, LONG) for rank in (0, 1)))
        before.set("address", "of the dead")
        dead = name_of(store)
        gone = store.get(f"{dead}/here/1")
        first = pool.submit(meet, store, 1, 2, LONG)
        wait_until(lambda: store.get(f"{dead}/here/1") != gone)  # it has asked the dead leader
        assert not first.done()
        parts = met(pool.submit(meet, store, 0, 2, LONG), first)
    assert name_of(store) != dead
    assert not any(part.check(["address"]) for part in parts)
    parts[0].set("address", "of the living")
    assert parts[1].get("address") == b"of the living"


@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_that_waits_in_vain_ends_with_an_error(rank: int) -> None:
    store = HashStore()
    store.set("leader", "dead")
    with pytest.raises(RunError, match=rf"process {rank} of 2 did not meet the others .* 0\.1 s"):
        meet(store, rank, 2, SHORT)


@pytest.mark.slow
def test_a_leader_that_was_killed_and_comes_late_is_waited_for(tmp_path: Path) -> None:
    restarts = ["--max-restarts=1", "--monitor-interval=0.1"]
    ended = run_two("late_leader", str(tmp_path), seconds=120, options=restarts)
    assert ended.returncode == 0, ended.stderr
    assert {path.name for path in tmp_path.iterdir()} >= {"met_again_0", "met_again_1"}
