"""Run under torchrun by a test: the first process is killed, and comes late to the next attempt."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path


def wait_for(note: Path) -> None:
    ends_at = time.monotonic() + 60
    while not note.exists():
        assert time.monotonic() < ends_at
        time.sleep(0.01)


def main(folder: Path) -> None:
    leads, is_again = os.environ["RANK"] == "0", os.environ["TORCHELASTIC_RESTART_COUNT"] != "0"
    other_is_there = folder / "other_is_there"
    if leads and is_again:
        wait_for(other_is_there)  # and then import torch: the other one is a second ahead

    import torch  # noqa: PLC0415

    from ovseg_annotate.training.distributed import any_of, peers_of_torchrun  # noqa: PLC0415

    cpu = torch.device("cpu")
    if is_again and not leads:
        other_is_there.touch()
    with peers_of_torchrun(cpu) as peers:
        assert any_of(leads, cpu, peers)
        if leads and not is_again:
            os.kill(os.getpid(), signal.SIGKILL)
        assert any_of(leads, cpu, peers)
    (folder / f"met_again_{peers.rank}").touch()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
