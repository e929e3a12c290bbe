"""`ovseg train`, killed over and over.

What must hold afterwards: the log has every step once, with the losses of a training that nobody
disturbed; the checkpoint is whole.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from effort import Effort
from soak.kills import finished, killed
from training.test_kill import RECIPE, STEPS

from ovseg_annotate.training.checkpoints import last_checkpoint
from ovseg_annotate.training.progress import LOG_FILE, read_log


@pytest.mark.soak  # a short form with one kill is in tests/training
def test_the_curve_is_the_same(tmp_path: Path, effort: Effort) -> None:
    chance = effort.chance("train")
    recipe, whole, out = tmp_path / "tiny.toml", tmp_path / "whole", tmp_path / "killed"
    recipe.write_text(RECIPE, encoding="utf-8")
    train = ("-m", "ovseg_annotate.cli", "train", recipe, "--device", "cpu", "--out")
    finished((*train, whole))
    struck = 0
    for _ in effort.numbers(short=1, long=6, seconds=20):
        moment = chance.randrange(1, STEPS)

        def is_time(moment: int = moment) -> bool:
            log = out / LOG_FILE
            return log.exists() and log.read_bytes().count(b"\n") >= moment

        struck += killed((*train, out), is_time, chance)
    finished((*train, out))
    assert struck
    broken, straight = read_log(out), read_log(whole)
    assert [each.step for each in broken] == list(range(1, STEPS + 1))
    assert [each.losses for each in broken] == [each.losses for each in straight]
    assert last_checkpoint(out).step == STEPS
