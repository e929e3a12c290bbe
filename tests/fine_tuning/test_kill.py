"""`kill -9` in the middle of a fine-tuning: the same command comes to the same head."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest
from engines.micro_heads import write_micro_head
from soak.kills import finished, killed, leftovers_in

from ovseg_annotate.fine_tuning.job import BEST, Jobs
from ovseg_annotate.learning_loop.versions import Versions
from ovseg_annotate.training.checkpoints import CHECKPOINT_FILE

DRIVER = Path(__file__).parent / "kill_driver.py"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")


@pytest.mark.slow
@pytest.mark.parametrize(
    "moment",
    [
        CHECKPOINT_FILE,
        *(pytest.param(each, marks=pytest.mark.soak) for each in ("job.json", BEST, "*.lesson")),
    ],
)
def test_a_killed_fine_tuning_goes_on_to_the_same_head(tmp_path: Path, moment: str) -> None:
    model = f"catseg@{write_micro_head(tmp_path / 'head', 'catseg')}"
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    finished((DRIVER, whole, model))
    there = lambda: any(broken.rglob(moment))  # noqa: E731
    killed((DRIVER, broken, model), there, random.Random(moment))  # noqa: S311
    finished((DRIVER, broken, model))
    cards = []
    for folder in (whole, broken):
        versions = Versions(folder)
        assert len(versions.names) == 1
        assert versions.current is not None
        cards.append(versions.current.card)
    straight, gone_on = cards
    assert gone_on.digest == straight.digest
    assert gone_on.head_after == straight.head_after
    assert gone_on.after == straight.after
    assert Jobs(broken).under_way is None
    assert not leftovers_in(broken)
