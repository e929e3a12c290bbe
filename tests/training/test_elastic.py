"""Two processes train every kind of recipe, go on after a stop, and after one of them is killed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from effort import Effort

from ovseg_annotate.devices import device_of_process
from ovseg_annotate.training.checkpoints import load_checkpoint
from ovseg_annotate.training.progress import read_log
from tests.training.every_recipe import KILLED, KINDS, QUICK_KINDS, STEPS
from tests.training.torchrun import CHECKOUT, run_two


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, effort: Effort) -> Path:
    folder = tmp_path_factory.mktemp("elastic")
    kinds = KINDS if effort.is_long else QUICK_KINDS
    restarts = ["--max-restarts=3", "--monitor-interval=0.1"]
    places = os.pathsep.join((str(CHECKOUT), str(CHECKOUT / "tests")))
    ended = run_two(
        "every_recipe",
        str(folder),
        *kinds,
        seconds=550,
        options=restarts,
        environment={**os.environ, "PYTHONPATH": places, "OMP_NUM_THREADS": "1"},
    )
    assert ended.returncode == 0, ended.stderr[-4000:]
    return folder


def check_equal(whole: Path, other: Path) -> None:
    """Loss by loss; a phrase's vector differs by a rounding with those encoded along with it."""
    expected, found = read_log(whole), read_log(other)
    assert [each.step for each in found] == list(range(1, STEPS + 1))
    assert [each.loss for each in found] == pytest.approx(
        [each.loss for each in expected], rel=1e-5
    )
    checkpoint = load_checkpoint(other)
    assert checkpoint is not None
    assert checkpoint.step == STEPS


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=() if kind in QUICK_KINDS else pytest.mark.soak) for kind in KINDS],
)
def test_two_processes_go_on_with_the_losses_of_two_that_were_not_stopped(
    folder: Path, kind: str
) -> None:
    assert (folder / f"{kind}.stopped").exists()
    check_equal(folder / "whole" / kind, folder / "stopped" / kind)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_torchrun_starts_a_killed_process_again_and_both_go_on(folder: Path) -> None:
    assert (folder / f"{KILLED}.killed").exists()
    check_equal(folder / "whole" / KILLED, folder / "killed" / KILLED)


def test_each_process_of_torchrun_takes_a_gpu_of_its_own() -> None:
    cuda, started = torch.device("cuda"), {"LOCAL_RANK": "3"}
    assert device_of_process(cuda, started) == torch.device("cuda", 3)
    assert device_of_process(cuda, {}) == cuda
    assert device_of_process(torch.device("cuda", 1), started) == torch.device("cuda", 1)
    assert device_of_process(torch.device("cpu"), started) == torch.device("cpu")
