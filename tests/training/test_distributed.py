from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from ovseg_annotate.training.checkpoints import load_checkpoint
from ovseg_annotate.training.loop import FAILED_BATCHES_FILE, train
from ovseg_annotate.training.progress import read_log
from tests.training.tiny_training import FEW_STEPS, LineFitting, NumberBatches
from tests.training.torchrun import run_two
from tests.training.two_processes import SIX_STEPS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two processes have trained together: well, badly, stopped, and in folders apart."""
    folder = tmp_path_factory.mktemp("two")
    ended = run_two("two_processes", str(folder), seconds=200)
    assert ended.returncode == 0, ended.stderr
    return folder


def test_two_processes_learn_what_one_with_two_batches_a_step_learns(
    folder: Path, tmp_path: Path
) -> None:
    alone = dataclasses.replace(SIX_STEPS, accumulate=2)
    train(LineFitting(dropout=0.0), NumberBatches(), alone, tmp_path)
    two, one = read_log(folder / "good"), read_log(tmp_path)
    assert [record.step for record in two] == [1, 2, 3, 4, 5, 6]
    assert [record.loss for record in two] == pytest.approx([record.loss for record in one])
    assert load_checkpoint(folder / "good").step == 6


def test_a_bad_number_in_one_process_stops_both(folder: Path) -> None:
    for rank in (0, 1):
        assert "training stopped at step 0" in (folder / f"stopped_{rank}").read_text()
    saved = json.loads((folder / "bad" / FAILED_BATCHES_FILE).read_text())
    assert saved["seeds_of_batches"] == {"0": [0, 1000], "1": [1, 1001]}


def test_who_goes_on_at_once_finds_the_last_checkpoint(folder: Path) -> None:
    whole, gone_on = read_log(folder / "good"), read_log(folder / "at_once")
    assert [record.step for record in gone_on] == [1, 2, 3, 4, 5, 6]
    assert [record.loss for record in gone_on] == [record.loss for record in whole]


def test_processes_that_see_different_folders_say_so(folder: Path) -> None:
    for rank in (0, 1):
        said = (folder / f"apart_{rank}").read_text()
        assert f"own_{rank} at different steps: [{FEW_STEPS.steps}, 0]" in said
        assert "where all of them see the same files" in said
