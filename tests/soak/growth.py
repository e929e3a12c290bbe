"""What a process holds, and whether that grows."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import asdict, dataclass
from pathlib import Path

ALLOWED_GROWTH = 1.05  # of memory after the first third


@dataclass(frozen=True)
class Held:
    """At one moment."""

    memory: int  # bytes
    files: int
    threads: int


def held() -> Held:
    return Held(
        memory_now(), sum(1 for _ in Path("/proc/self/fd").iterdir()), threading.active_count()
    )


def memory_now() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def tell(sample: Held) -> None:
    print(json.dumps(asdict(sample)), flush=True)  # noqa: T201


def told(text: str) -> list[Held]:
    return [Held(**json.loads(line)) for line in text.splitlines()]


def check_flat(samples: list[Held]) -> None:
    """The last third holds no more than the second, after a first one to warm up in."""
    third = len(samples) // 3
    assert third >= 3, f"only {len(samples)} samples"
    middle, last = samples[third : 2 * third], samples[-third:]
    # The most memory: what a piece of work takes and gives back is no growth. The fewest files and
    # threads: one that another thread has open for a moment is none either.
    limits = {"memory": (max, ALLOWED_GROWTH), "files": (min, 1.0), "threads": (min, 1.0)}
    for name, (typical, allowed) in limits.items():
        before, after = (typical(getattr(each, name) for each in part) for part in (middle, last))
        assert after <= before * allowed, f"{name} grew from {before} to {after}"
