"""`kill -9` in the middle of a fine-tuning: the same command comes to the same head."""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from engines.micro_heads import write_micro_head
from soak.kills import finished, killed, leftovers_in

from ovseg_annotate.fine_tuning.job import BEST, Jobs
from ovseg_annotate.learning_loop.versions import Versions
from ovseg_annotate.lessons.version import VersionCard
from ovseg_annotate.training.checkpoints import CHECKPOINT_FILE

DRIVER = Path(__file__).parent / "kill_driver.py"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")


@dataclass(frozen=True)
class Straight:
    """A fine-tuning that nobody stopped."""

    model: str
    card: VersionCard


def only_card(folder: Path) -> VersionCard:
    versions = Versions(folder)
    assert len(versions.names) == 1
    assert versions.current is not None
    return versions.current.card


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Straight:
    folder = tmp_path_factory.mktemp("straight")
    model = f"catseg@{write_micro_head(folder / 'head', 'catseg')}"
    finished((DRIVER, folder / "project", model))
    return Straight(model, only_card(folder / "project"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "moment",
    [
        CHECKPOINT_FILE,
        *(pytest.param(each, marks=pytest.mark.soak) for each in ("job.json", BEST, "*.lesson")),
    ],
)
def test_a_killed_fine_tuning_goes_on_to_the_same_head(
    tmp_path: Path, straight: Straight, moment: str
) -> None:
    there = lambda: any(tmp_path.rglob(moment))  # noqa: E731
    killed((DRIVER, tmp_path, straight.model), there, random.Random(moment))  # noqa: S311
    finished((DRIVER, tmp_path, straight.model))
    gone_on = only_card(tmp_path)
    assert gone_on.digest == straight.card.digest
    assert gone_on.head_after == straight.card.head_after
    assert gone_on.after == straight.card.after
    assert Jobs(tmp_path).under_way is None
    assert not leftovers_in(tmp_path)
