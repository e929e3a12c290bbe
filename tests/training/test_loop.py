from __future__ import annotations

import dataclasses
import itertools
import json
import os
import signal
from pathlib import Path

import pytest
import torch

from ovseg_annotate.errors import OptionError, RunError
from ovseg_annotate.training.checkpoints import CHECKPOINT_FILE, load_checkpoint
from ovseg_annotate.training.curves import CURVES_FILE
from ovseg_annotate.training.loop import FAILED_BATCHES_FILE, Ending, Outcome, train
from ovseg_annotate.training.optimisers import AveragedWeights, learning_rate_at
from ovseg_annotate.training.options import LoopOptions
from ovseg_annotate.training.progress import LOG_FILE, Progress, read_log
from tests.training.tiny_training import FEW_STEPS, LineFitting, NumberBatches


class PowerCutError(Exception):
    pass


def cut_at(number: int):
    def on_batch(given: int) -> None:
        if given == number:
            raise PowerCutError

    return on_batch


def losses_of(folder: Path) -> list[float]:
    return [record.loss for record in read_log(folder)]


def test_a_run_learns_and_says_that_it_finished(tmp_path: Path) -> None:
    outcome = train(LineFitting(), NumberBatches(), FEW_STEPS, tmp_path)
    losses = losses_of(tmp_path)
    assert outcome == Outcome(Ending.FINISHED, 12)
    assert len(losses) == 12
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("broken_at", [3, 5, 11])
def test_a_run_that_died_goes_on_with_the_losses_of_one_that_did_not(
    tmp_path: Path, broken_at: int
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    train(LineFitting(), NumberBatches(), FEW_STEPS, whole)
    with pytest.raises(PowerCutError):
        train(LineFitting(), NumberBatches(cut_at(broken_at)), FEW_STEPS, broken)
    train(LineFitting(), NumberBatches(), FEW_STEPS, broken)
    assert losses_of(broken) == losses_of(whole)
    ends = [load_checkpoint(folder) for folder in (whole, broken)]
    assert all(
        torch.equal(ends[0].averaged[name], ends[1].averaged[name]) for name in ends[0].averaged
    )


def test_a_termination_signal_ends_the_run_with_a_checkpoint(tmp_path: Path) -> None:
    def terminate(number: int) -> None:
        if number == 5:
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    outcome = train(LineFitting(), NumberBatches(terminate), FEW_STEPS, tmp_path)
    assert outcome == Outcome(Ending.STOPPED, 6)
    assert load_checkpoint(tmp_path).step == 6
    assert signal.getsignal(signal.SIGTERM) == before


def test_worker_processes_give_the_same_losses(tmp_path: Path) -> None:
    train(LineFitting(), NumberBatches(), FEW_STEPS, tmp_path / "alone")
    helped = dataclasses.replace(FEW_STEPS, workers=1)
    train(LineFitting(), PlainBatches(), helped, tmp_path / "helped")
    assert losses_of(tmp_path / "helped") == losses_of(tmp_path / "alone")


class PlainBatches(NumberBatches):
    """Without the lambda, which no other process could be sent."""

    def __init__(self) -> None:
        pass

    def _on_batch(self, number: int) -> None:
        pass


def test_two_batches_a_step_count_as_one_twice_as_large(tmp_path: Path) -> None:
    twice = dataclasses.replace(FEW_STEPS, steps=3, accumulate=2)
    asked: list[int] = []
    train(LineFitting(), NumberBatches(asked.append), twice, tmp_path)
    assert asked == [0, 1, 2, 3, 4, 5]
    assert [record.step for record in read_log(tmp_path)] == [1, 2, 3]


def test_a_loss_that_is_no_number_stops_the_run_and_saves_the_seeds(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="the loss is nan"):
        train(LineFitting(poison=float("nan")), NumberBatches(), FEW_STEPS, tmp_path)
    saved = json.loads((tmp_path / FAILED_BATCHES_FILE).read_text())
    assert saved == {"step": 0, "seeds_of_batches": {"0": [0, 1000]}}
    assert not (tmp_path / CHECKPOINT_FILE).exists()


def test_a_run_refuses_to_go_on_with_other_options(tmp_path: Path) -> None:
    train(LineFitting(), NumberBatches(), FEW_STEPS, tmp_path)
    other = dataclasses.replace(FEW_STEPS, learning_rate=0.01)
    with pytest.raises(RunError, match=r"learning_rate=0\.05.*\n.*learning_rate=0\.01"):
        train(LineFitting(), NumberBatches(), other, tmp_path)


def test_a_finished_run_can_be_made_longer(tmp_path: Path) -> None:
    train(LineFitting(), NumberBatches(), FEW_STEPS, tmp_path)
    longer = dataclasses.replace(FEW_STEPS, steps=15)
    assert train(LineFitting(), NumberBatches(), longer, tmp_path).step == 15
    assert len(read_log(tmp_path)) == 15


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / CHECKPOINT_FILE).write_bytes(b"not a checkpoint")
    with pytest.raises(RunError, match=r"checkpoint\.pt"):
        train(LineFitting(), NumberBatches(), FEW_STEPS, tmp_path)


def test_the_curves_are_drawn_with_every_checkpoint(tmp_path: Path) -> None:
    drawn: list[bool] = []

    def look(progress: Progress) -> None:
        drawn.append((tmp_path / CURVES_FILE).exists())

    train(LineFitting(), NumberBatches(), FEW_STEPS, tmp_path, look)
    assert drawn == [False] * 4 + [True] * 8


def test_a_line_that_was_cut_short_is_left_out_of_the_log(tmp_path: Path) -> None:
    train(LineFitting(), NumberBatches(), FEW_STEPS, tmp_path)
    with (tmp_path / LOG_FILE).open("a") as file:
        file.write('{"step": 13, "los')
    assert [record.step for record in read_log(tmp_path)] == list(range(1, 13))


def test_progress_counts_down(tmp_path: Path) -> None:
    seen = []
    train(LineFitting(), NumberBatches(), FEW_STEPS, tmp_path, seen.append)
    assert [record.step for record in seen] == list(range(1, 13))
    assert seen[-1].remaining == 0
    assert all(record.rate > 0 for record in seen)
    assert seen[0].loss == pytest.approx(sum(seen[0].losses.values()))


def test_the_learning_rate_warms_up_and_falls_to_its_final_share() -> None:
    options = LoopOptions(steps=100, warmup_steps=10, learning_rate=1e-3, final_share=0.1)
    rates = [learning_rate_at(step, options) for step in range(101)]
    assert rates[0] == pytest.approx(1e-4)
    assert max(rates) == pytest.approx(1e-3)
    assert rates.index(max(rates)) in (9, 10)
    assert rates[100] == pytest.approx(1e-4)
    assert all(later <= earlier for earlier, later in itertools.pairwise(rates[10:]))


def test_averaged_weights_lie_between_old_and_new_ones() -> None:
    module = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        module.weight.fill_(0.0)
    averaged = AveragedWeights(module, decay=0.9)
    with torch.no_grad():
        module.weight.fill_(1.0)
    averaged.update(module, step=1000)
    assert averaged.state()["weight"].item() == pytest.approx(0.1)


def test_both_optimisers_train_matrices_inside_blocks(tmp_path: Path) -> None:
    module = torch.nn.ModuleDict({"resblocks": torch.nn.ModuleList([torch.nn.Linear(3, 3)])})

    class Blocks(LineFitting):
        def __init__(self) -> None:
            self._tower = torch.nn.ModuleDict({"tower": module})

        @property
        def module(self) -> torch.nn.Module:
            return self._tower

        def losses(self, batch):
            return {"error": module["resblocks"][0](batch.inputs).square().mean()}

    options = dataclasses.replace(FEW_STEPS, optimiser="muon", learning_rate=0.01)
    train(Blocks(), NumberBatches(), options, tmp_path)
    losses = losses_of(tmp_path)
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0),
        ("learning_rate", 0.0),
        ("ema_decay", 1.0),
        ("clip_norm", -1.0),
        ("workers", -1),
    ],
)
def test_options_out_of_range_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(OptionError, match=name):
        LoopOptions(**{name: value})
