from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from correction_samples import correction
from hypothesis import given, settings
from hypothesis import strategies as st

from ovseg_annotate.errors import FormatError, RunError
from ovseg_annotate.learning_loop.entries import Entry, digest_of, entry_bytes, entry_from
from ovseg_annotate.learning_loop.journal import FILE_NAME, Journal, TakenUp, project_folder
from ovseg_annotate.learning_loop.sealed_lines import sealed, unsealed


def told(journal: Journal) -> list[tuple[str, str]]:
    return [(each.picture, digest_of(each)) for each in journal.corrections()]


def test_a_correction_comes_back_pixel_by_pixel(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        assert journal.take(correction(seed=3))
    with Journal(tmp_path) as journal:
        (back,) = journal.corrections()
    given_ = correction(seed=3)
    assert digest_of(back) == digest_of(given_)
    assert np.array_equal(back.unseen(), given_.unseen())
    assert [each.concept for each in back.certain] == [each.concept for each in given_.certain]


def test_what_is_known_is_not_written_again(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        assert [journal.take(correction()), journal.take(correction())] == [True, False]
        size = journal.path.stat().st_size
        assert not journal.take(correction())
        assert journal.path.stat().st_size == size


def test_a_person_may_go_back_to_an_earlier_answer(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        for seed in (1, 2, 1):
            assert journal.take(correction(seed=seed))
        assert told(journal) == [("a.png", digest_of(correction(seed=1)))]
        assert len(list(journal.entries())) == 3


def test_the_later_revision_holds_in_whatever_order_they_come(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.take(correction(seed=2), "2026-02")
        journal.take(correction(seed=1), "2026-01")
        assert told(journal) == [("a.png", digest_of(correction(seed=2)))]


def test_a_withdrawal_may_come_before_what_it_withdraws(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        assert journal.withdraw("a.png", "2026-02")
        journal.take(correction(), "2026-01")
        assert (len(journal), told(journal)) == (0, [])
    with Journal(tmp_path) as journal:
        assert len(journal) == 0


def test_what_was_never_told_cannot_be_withdrawn(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        assert not journal.withdraw("a.png")
        assert journal.correction("a.png") is None
        journal.take(correction())
        assert journal.correction("a.png") is not None
        assert [journal.withdraw("a.png"), journal.withdraw("a.png")] == [True, False]
        assert journal.correction("a.png") is None


def test_a_complete_list_withdraws_what_is_no_longer_in_it(tmp_path: Path) -> None:
    names = ("a.png", "b.png", "c.png")
    with Journal(tmp_path) as journal:
        journal.take_all(map(correction, names), complete=True)
        changed = [correction("a.png"), correction("b.png", 5)]
        assert journal.take_all(changed, complete=False) == TakenUp(new=1, known=1, withdrawn=0)
        assert journal.take_all(changed, complete=True) == TakenUp(new=0, known=2, withdrawn=1)
        assert [picture for picture, _ in told(journal)] == ["a.png", "b.png"]


@pytest.mark.parametrize("names", ["cba", "abc", "bcab", "cabcba"])
def test_what_is_taken_between_two_readings_is_read(tmp_path: Path, names: str) -> None:
    """Those who take the most useful picture first take them in no order of names."""
    expected: dict[str, str] = {}
    with Journal(tmp_path) as journal:
        for seed, name in enumerate(names):
            journal.take(correction(name, seed))
            expected[name] = digest_of(correction(name, seed))
            assert told(journal) == sorted(expected.items())
        assert journal.standing == expected
        assert len(list(journal.entries())) == len(names)


EVENTS = [(f"{number % 7}.png", number, f"2026-{number:02}") for number in range(21)]


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20)  # each one waits for the disk some forty times
def test_lost_doubled_and_reordered_events_end_where_a_clean_run_ends(seed: int) -> None:
    """Label Studio's export, the truth, comes last and makes good what was lost."""
    chance = random.Random(seed)  # noqa: S311
    noisy = [event for event in EVENTS if chance.random() > 0.1]
    noisy += [event for event in EVENTS if chance.random() < 0.1]
    chance.shuffle(noisy)
    assert _end_of([*noisy, *EVENTS[-7:]]) == _end_of(EVENTS)


def _end_of(events: Sequence[tuple[str, int, str]]) -> str:
    import tempfile  # noqa: PLC0415  hypothesis and tmp_path do not go together

    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder)) as journal:
        for picture, number, revision in events:
            journal.take(correction(picture, number), revision)
        return journal.digest


@pytest.fixture
def two_lines(tmp_path: Path) -> bytes:
    with Journal(tmp_path) as journal:
        journal.take(correction("a.png"))
        journal.take(correction("b.png"))
    return (tmp_path / FILE_NAME).read_bytes()


@pytest.mark.parametrize("left", [1, 60, 90, 200, -1])
def test_a_torn_last_line_is_dropped_with_a_warning_and_nothing_else_is_lost(
    two_lines: bytes, tmp_path: Path, left: int
) -> None:
    first = two_lines.index(b"\n") + 1
    path = tmp_path / FILE_NAME
    path.write_bytes(two_lines[: first + left] if left > 0 else two_lines[:left])
    with Journal(tmp_path) as journal:
        (warning,) = journal.warnings
        assert "torn" in warning
        assert [picture for picture, _ in told(journal)] == ["a.png"]
        assert journal.take(correction("b.png"))
    assert path.read_bytes() == two_lines
    with Journal(tmp_path) as journal:
        assert journal.warnings == ()


def test_a_tail_of_zeros_after_a_power_cut_is_torn_too(two_lines: bytes, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(two_lines + bytes(4096))
    with Journal(tmp_path) as journal:
        assert len(journal) == 2
        assert journal.warnings


def test_damage_that_no_stop_explains_is_an_error_and_changes_nothing(
    two_lines: bytes, tmp_path: Path
) -> None:
    path = tmp_path / FILE_NAME
    damaged = two_lines.replace(b"a.png", b"x.png", 1)
    path.write_bytes(damaged)
    with pytest.raises(RunError, match="line 1 is damaged"), Journal(tmp_path):
        pass
    assert path.read_bytes() == damaged
    path.write_bytes(two_lines)
    with Journal(tmp_path) as journal:  # the lock was given back
        assert len(journal) == 2


def test_two_processes_do_not_write_one_journal(tmp_path: Path) -> None:
    with Journal(tmp_path), pytest.raises(RunError, match="is working in"), Journal(tmp_path):
        pass


KILLED = """
import os, sys
from pathlib import Path
sys.path[:0] = ["tests"]
from correction_samples import correction
from ovseg_annotate.learning_loop.journal import Journal
with Journal(Path(sys.argv[1])) as journal:
    for number in range(5):
        journal.take(correction(f"{number}.png"))
    journal._file.write(b'{"sha256":"half a li')
    journal._file.flush()
    os.kill(os.getpid(), 9)
"""


def test_a_kill_loses_nothing_that_was_taken(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)], check=False, capture_output=True
    )
    assert done.returncode == -9, done.stderr
    with Journal(tmp_path) as journal:
        assert len(journal) == 5
        assert journal.warnings


def test_projects_never_share_a_folder(tmp_path: Path) -> None:
    names = ["3", "03", "a/b", "a b", "A", "a", ".", "..", "", "x" * 500, "x" * 501]
    folders = {project_folder(tmp_path, name) for name in names}
    assert len(folders) == len(names)
    assert all(folder.parent == tmp_path and len(folder.name) < 100 for folder in folders)


def test_projects_side_by_side_know_nothing_of_one_another(tmp_path: Path) -> None:
    for name in ("one", "two"):
        with Journal(project_folder(tmp_path, name)) as journal:
            assert journal.take(correction(seed=len(name)))
            assert len(journal) == 1


def test_a_journal_of_a_newer_version_is_refused_with_what_to_do() -> None:
    plain = json.loads(entry_bytes(Entry("a.png", correction())))
    newer = json.dumps(plain | {"schema": 99}).encode()
    with pytest.raises(FormatError, match="update ovseg-annotate"):
        entry_from(newer, "journal.jsonl, line 1")


@given(st.binary())
def test_only_what_was_sealed_is_unsealed(entry: bytes) -> None:
    line = sealed(entry)
    assert unsealed(line) == entry
    assert unsealed(line[:-1]) is None
    assert unsealed(b"x" + line) is None
    assert unsealed(entry) is None


def test_equal_answers_have_equal_digests_and_others_others() -> None:
    assert digest_of(correction()) == digest_of(correction())
    assert digest_of(correction()) != digest_of(replace(correction(), accepted=False))
