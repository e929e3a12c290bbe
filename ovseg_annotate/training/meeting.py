"""How processes that train together find one another, and nobody of an earlier attempt.

torchrun keeps one store of keys and values for all attempts of a run. Processes leave their
addresses there, and those of a killed attempt stay: whoever comes first in the next one would
connect to the dead and wait for them as long as for a slow step.
"""

from __future__ import annotations

import time
import uuid
from datetime import timedelta

from torch.distributed import DistStoreError, PrefixStore, Store  # type: ignore[attr-defined]

from ovseg_annotate.errors import RunError

_LEADER = "leader"  # the key under which the first process says what the attempt is called
_LOOK_AGAIN = timedelta(seconds=1)  # for another leader


def meet(store: Store, rank: int, count: int, patience: timedelta) -> PrefixStore:
    """Wait until all processes of this attempt are there; gives the part of the store it owns."""
    ends_at = time.monotonic() + patience.total_seconds()
    try:
        name = _lead(store, count, ends_at) if rank == 0 else _follow(store, rank, ends_at)
    except DistStoreError as error:
        raise RunError(
            f"process {rank} of {count} did not meet the others within "
            f"{patience.total_seconds():g} s; torchrun starts all of them again if --max-restarts "
            "allows it, else give the command again: it goes on from the last checkpoint"
        ) from error
    return PrefixStore(name, store)


def _lead(store: Store, count: int, ends_at: float) -> str:
    name = uuid.uuid4().hex
    store.set(_LEADER, name)
    here = [f"{name}/here/{rank}" for rank in range(1, count)]
    if here:
        store.wait(here, _left(ends_at))
    for key in here:
        store.set(_answer(name, store.get(key).decode()), "")
    return name


def _follow(store: Store, rank: int, ends_at: float) -> str:
    own = uuid.uuid4().hex  # no earlier leader has answered to it
    while True:
        store.wait([_LEADER], _left(ends_at))
        name = store.get(_LEADER).decode()
        store.set(f"{name}/here/{rank}", own)
        try:
            store.wait([_answer(name, own)], min(_LOOK_AGAIN, _left(ends_at)))
        except DistStoreError:
            if time.monotonic() >= ends_at:
                raise
        else:
            return name


def _answer(name: str, process: str) -> str:
    return f"{name}/met/{process}"


def _left(ends_at: float) -> timedelta:
    return timedelta(seconds=max(0.001, ends_at - time.monotonic()))
