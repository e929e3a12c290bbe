"""A run tells how good it is, and is not changed by being looked at."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from ovseg_annotate.errors import OptionError
from ovseg_annotate.training.averaged import averaged_weights_in
from ovseg_annotate.training.checkpoints import CHECKPOINT_FILE, load_checkpoint
from ovseg_annotate.training.loop import train
from ovseg_annotate.training.optimisers import AveragedWeights
from ovseg_annotate.training.progress import LOG_FILE, Progress, read_log
from tests.training.tiny_training import FEW_STEPS, LineFitting, NumberBatches

SCORED = dataclasses.replace(FEW_STEPS, score_every=5)


class PowerCutError(Exception):
    pass


class Look:
    """A score that does everything that could disturb a run."""

    def __init__(self, trainable: LineFitting) -> None:
        self.module = trainable.module
        self.weights: list[torch.Tensor] = []

    def __call__(self) -> float:
        assert not any(part.training for part in self.module.modules())
        self.weights.append(self.module[0].weight.detach().clone())
        torch.manual_seed(99)
        self.module.train()
        with torch.no_grad():
            self.module[0].weight.zero_()
        return 0.1 * len(self.weights)


def run(folder: Path, options=SCORED, batches: NumberBatches | None = None) -> Look:
    fitting = LineFitting()
    look = Look(fitting)
    train(fitting, batches or NumberBatches(), options, folder, score=look)
    return look


def test_the_score_is_that_of_the_averaged_weights(tmp_path: Path) -> None:
    look = run(tmp_path)
    end = load_checkpoint(tmp_path)
    assert torch.equal(look.weights[-1], end.averaged["0.weight"])
    assert not torch.equal(look.weights[-1], end.module["0.weight"])


def test_looking_changes_nothing(tmp_path: Path) -> None:
    run(tmp_path / "watched")
    train(LineFitting(), NumberBatches(), FEW_STEPS, tmp_path / "alone")
    watched, alone = (read_log(tmp_path / name) for name in ("watched", "alone"))
    assert [each.losses for each in watched] == [each.losses for each in alone]
    ends = [load_checkpoint(tmp_path / name) for name in ("watched", "alone")]
    for name, value in ends[0].module.items():
        assert torch.equal(value, ends[1].module[name])


def test_a_score_that_fails_leaves_the_weights_as_they_were() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout())
    module[1].eval()  # a part in another mode than the whole
    averaged = AveragedWeights(module, 0.9)
    with torch.no_grad():
        module[0].weight.add_(1.0)
    before, state = module[0].weight.detach().clone(), torch.random.get_rng_state()
    with pytest.raises(ZeroDivisionError), averaged_weights_in(module, averaged):
        _ = torch.rand(3).sum().item() / 0
    assert torch.equal(module[0].weight, before)
    assert (module.training, module[0].training, module[1].training) == (True, True, False)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_the_log_has_the_last_score_and_when_it_was_measured(tmp_path: Path) -> None:
    run(tmp_path)
    log = read_log(tmp_path)
    assert [each.scored_at for each in log] == [None] * 4 + [5] * 5 + [10] * 2 + [12]
    assert [each.score for each in log[3:5]] == [None, 0.1]
    assert log[-1].score == pytest.approx(0.3)


def test_the_line_of_progress_tells_the_score(tmp_path: Path) -> None:
    run(tmp_path)
    first, *_, last = map(str, read_log(tmp_path))
    assert "score" not in first
    assert "score 0.300" in last


def test_a_run_that_goes_on_knows_its_last_score(tmp_path: Path) -> None:
    def cut(number: int) -> None:
        if number == 9:
            raise PowerCutError

    with pytest.raises(PowerCutError):
        run(tmp_path, batches=NumberBatches(cut))
    assert load_checkpoint(tmp_path).step == 8
    run(tmp_path)
    assert [each.scored_at for each in read_log(tmp_path)] == (
        [None] * 4 + [5] * 5 + [10] * 2 + [12]
    )


def test_a_run_that_never_looks_does_not_ask_for_the_score(tmp_path: Path) -> None:
    look = run(tmp_path, FEW_STEPS)
    assert not look.weights
    assert read_log(tmp_path)[-1].score is None


def test_a_score_that_nobody_can_measure_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"score_every: got 5.*set it to 0"):
        train(LineFitting(), NumberBatches(), SCORED, tmp_path)
    assert not (tmp_path / CHECKPOINT_FILE).exists()


def test_a_run_may_be_looked_at_more_or_less_often_when_it_goes_on(tmp_path: Path) -> None:
    run(tmp_path, FEW_STEPS)
    run(tmp_path, dataclasses.replace(SCORED, steps=15, score_every=3))
    assert [each.scored_at for each in read_log(tmp_path)][12:] == [None, None, 15]


def test_settings_of_runs_from_before_scores_are_still_the_same(tmp_path: Path) -> None:
    run(tmp_path)
    assert load_checkpoint(tmp_path).settings == (
        "LoopOptions(steps=1, seed=0, optimiser='adamw', learning_rate=0.05, weight_decay=0.05, "
        "warmup_steps=2, final_share=0.0, clip_norm=1.0, accumulate=1, precision='fp32', "
        "ema_decay=0.999, workers=0, log_every=1, checkpoint_every=1)"
    )


def test_a_log_from_before_scores_can_be_read(tmp_path: Path) -> None:
    record = dataclasses.asdict(Progress(1, 2, 0.5, {"error": 0.5}, 1e-3, 1.0, 2.0, 0.0))
    del record["score"], record["scored_at"]
    (tmp_path / LOG_FILE).write_text(json.dumps(record) + "\n")
    assert read_log(tmp_path)[0].score is None
