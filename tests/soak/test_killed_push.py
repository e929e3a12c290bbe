"""`ovseg-label-studio push`, killed over and over while Label Studio has bad days of its own.

What must hold afterwards: every task has one suggestion, none has two, and the journal has
nothing left in doubt.
"""

from __future__ import annotations

from pathlib import Path

from effort import Effort
from fake_label_studio import FakeLabelStudio, Fault
from loopback import listening
from soak.kills import finished, killed

from labelstudio_backend.journal import Journal

DRIVER = Path(__file__).parents[1] / "labelstudio_backend" / "push_driver.py"


def test_every_task_gets_one_suggestion(tmp_path: Path, effort: Effort) -> None:
    chance = effort.chance("push")
    tasks, kills = effort.rounds(short=300, long=3000), effort.rounds(short=3, long=25)
    harmless = (Fault.BUSY, Fault.BROKEN, Fault.LOST_ANSWER, Fault.DROPPED)

    def faults(method: str, path: str, number: int) -> Fault | None:
        del method, path, number
        return chance.choice(harmless) if chance.random() < 0.02 else None

    fake = FakeLabelStudio(tasks, faults)
    journal = tmp_path / "journal.sqlite"
    with listening(fake.app) as url:
        for _ in effort.numbers(short=3, long=kills, seconds=20):
            moment = fake.stored_count + chance.randrange(1, 1 + tasks // (kills + 1))
            killed((DRIVER, url, journal), lambda least=moment: fake.stored_count >= least, chance)
            assert fake.doubled == []
        finished((DRIVER, url, journal))
    assert fake.stored_count == tasks
    assert fake.doubled == []
    with Journal(journal) as read:
        assert read.in_doubt() == frozenset()
