"""Two hundred answers that arrive as the world has it end in the same version."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path

from learning_samples import asked, corrected
from vector_engine import vector_session

from ovseg_annotate.learning_loop.corrections import Correction
from ovseg_annotate.learning_loop.entries import Entry, entry_bytes
from ovseg_annotate.learning_loop.project import Project
from ovseg_annotate.session import Session

PICTURES, EVENTS = 20, 200

# Takes answers one after the other and says so; somebody kills it in the middle. It needs no model.
_TAKING = """
import sys
from pathlib import Path
from ovseg_annotate.learning_loop.entries import entry_from
from ovseg_annotate.learning_loop.project import Project
with Project(Path(sys.argv[1])) as project:
    for line in sys.stdin:
        entry = entry_from(line.encode(), "stdin")
        project.take(entry.correction, entry.revision)
        print(entry.revision, flush=True)
"""


@cache
def correction_in(session: Session, event: int) -> Correction:
    """Each picture is answered ten times: nine drafts, and what holds in the end."""
    accepted = event >= EVENTS - PICTURES
    if 0 < event - PICTURES < EVENTS - 2 * PICTURES:
        return correction_in(session, event % PICTURES)
    return corrected(session, event % PICTURES, accepted=accepted)


def revision_of(event: int) -> str:
    return f"2026-01-01T00:{event:04}"


def taken(folder: Path, session: Session, events: list[int]) -> None:
    with Project(folder) as project:
        for event in events:
            project.take(correction_in(session, event), revision_of(event))


def version_of(folder: Path, session: Session) -> str:
    with Project(folder) as project:
        version = project.refresh(session, asked()).version
    assert version is not None
    return version.card.digest


def test_lost_doubled_and_shuffled_answers_and_a_kill_end_in_the_same_version(
    tmp_path: Path,
) -> None:
    session, rng = vector_session(), random.Random(0)  # noqa: S311
    clean, messy = tmp_path / "clean", tmp_path / "messy"
    taken(clean, session, list(range(EVENTS)))

    events = list(range(EVENTS))
    lost = rng.sample(events, EVENTS // 10)
    doubled = rng.sample(events, EVENTS // 10)
    arriving = [each for each in events if each not in lost] + doubled
    rng.shuffle(arriving)
    killed_at = 80
    running = subprocess.Popen(
        [sys.executable, "-c", _TAKING, str(messy)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": ":".join(filter(None, sys.path))},
    )
    with running:
        assert running.stdin is not None
        assert running.stdout is not None
        for event in arriving[:killed_at]:
            answer = correction_in(session, event)
            line = entry_bytes(Entry(answer.picture, answer, revision_of(event)))
            running.stdin.write(line.decode("ascii") + "\n")
        running.stdin.flush()
        for _ in range(killed_at - 10):
            running.stdout.readline()
        running.send_signal(signal.SIGKILL)
    with Project(messy) as project:
        known = len(list(project.journal.entries()))
    assert 0 < known < EVENTS
    # Whoever sent them does not know what arrived: it sends on, and the export has what was lost.
    taken(messy, session, arriving[killed_at - 20 :])
    taken(messy, session, [*arriving[: killed_at - 20], *lost])
    assert version_of(messy, session) == version_of(clean, session)
