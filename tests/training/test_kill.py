"""`kill -9` in the middle of a training: the same command goes on with the same losses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from ovseg_annotate.training.checkpoints import CHECKPOINT_FILE
from ovseg_annotate.training.progress import LOG_FILE, read_log

ROOT = Path(__file__).parents[2]
STEPS = 12
RECIPE = f"""
[shape]
image_size = 64
patch_size = 16
width = 64
layers = 2
embed_dim = 80
text_width = 64
text_layers = 1

[pictures]
pictures = 2
focus_pictures = 2
hard_negatives = 2
random_negatives = 2

[loop]
steps = {STEPS}
warmup_steps = 2
log_every = 1
checkpoint_every = 4
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")


def started(recipe: Path, out: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "ovseg_annotate.cli", "train", str(recipe)]
    return subprocess.Popen(
        [*command, "--out", str(out), "--device", "cpu"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def finish(process: subprocess.Popen[bytes]) -> None:
    _, talk = process.communicate(timeout=240)
    assert process.returncode == 0, talk.decode()


def wait_for_step(process: subprocess.Popen[bytes], folder: Path, step: int) -> None:
    """Watch the log until it tells of the step."""
    deadline = time.monotonic() + 240
    log = folder / LOG_FILE
    while not log.exists() or log.read_bytes().count(b"\n") < step:
        assert time.monotonic() < deadline
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.002)
            raise AssertionError("the training ended before it could be killed")


@pytest.mark.slow
def test_a_killed_training_goes_on_with_the_losses_of_one_that_was_not(tmp_path: Path) -> None:
    recipe, whole, killed = tmp_path / "tiny.toml", tmp_path / "whole", tmp_path / "killed"
    recipe.write_text(RECIPE)
    process = started(recipe, killed)
    # Beyond the first checkpoint: what was learnt since then has to be learnt again.
    try:
        wait_for_step(process, killed, step=6)
    finally:
        process.kill()
    assert process.wait(timeout=60) == -signal.SIGKILL
    process.communicate()
    assert (killed / CHECKPOINT_FILE).exists()
    assert len(read_log(killed)) < STEPS

    finish(started(recipe, killed))
    finish(started(recipe, whole))
    broken, straight = read_log(killed), read_log(whole)
    assert [each.step for each in broken] == list(range(1, STEPS + 1))
    assert [each.losses for each in broken] == [each.losses for each in straight]
