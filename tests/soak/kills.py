"""Processes that are killed at random moments, over and over."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE = 240.0  # s, for a busy machine

_ENVIRONMENT = {
    "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests"))),
    "OMP_NUM_THREADS": "1",
}


@contextmanager
def started(arguments: Sequence[object], **streams: int) -> Iterator[subprocess.Popen[str]]:
    """A Python process that is gone at the end, whatever happens."""
    process = subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, **_ENVIRONMENT},
        text=True,
        **{"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, **streams},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def finished(arguments: Sequence[object]) -> None:
    """Let a process run to its end, which has to be a good one."""
    with started(arguments) as process:
        _, said = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, said


def killed(arguments: Sequence[object], is_time: Callable[[], bool], chance: random.Random) -> bool:
    """Kill a process a moment after something has come true; False when it ended before."""
    with started(arguments) as process:
        ended = when(is_time, process)
        if not ended:
            # The moments that matter are between two writes, far shorter than a look takes.
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=chance.random() ** 3 * 0.2)
        process.kill()
        _, said = process.communicate()
        assert process.returncode in (0, -signal.SIGKILL), said
        return process.returncode != 0


def when(is_time: Callable[[], bool], process: subprocess.Popen[str]) -> bool:
    """Look until something is true; whether the process ended instead."""
    deadline = time.monotonic() + PATIENCE
    while not is_time():
        assert time.monotonic() < deadline, "the moment never came"
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.002)
            return True
    return False


def files_in(folder: Path, pattern: str = "*") -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob(pattern))
        if path.is_file()
    }


def leftovers_in(folder: Path) -> list[Path]:
    from ovseg_annotate.whole_files import TEMPORARY_PREFIX  # noqa: PLC0415

    return list(folder.rglob(f"{TEMPORARY_PREFIX}*"))
