from __future__ import annotations

from pathlib import Path

import pytest

from labelstudio_backend.journal import Failure, Journal, journal_path
from ovseg_annotate.errors import RunError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "journal.sqlite"


def test_what_was_being_sent_is_known_after_the_end(path: Path) -> None:
    with Journal(path) as journal:
        for task in (1, 2, 3):
            journal.sending(task)
        journal.settled(2)
        journal.failed(3, "damaged")
    with Journal(path) as journal:
        assert journal.in_doubt() == {1}
        assert journal.failures(10) == (Failure(3, "damaged"),)


def test_failures_are_listed_by_task_and_forgotten_together(path: Path) -> None:
    with Journal(path) as journal:
        for task in (9, 4, 7):
            journal.failed(task, f"reason {task}")
        assert [failure.task for failure in journal.failures(2)] == [4, 7]
        journal.sending(1)
        journal.forget_failures()
        assert journal.failures(10) == ()
        assert journal.in_doubt() == {1}


def test_it_stays_small_however_many_tasks_were_sent(path: Path) -> None:
    with Journal(path) as journal:
        for task in range(200):
            journal.sending(task)
            journal.settled(task)
        assert journal.in_doubt() == frozenset()


@pytest.mark.parametrize("content", [b"no database " * 100, b"SQLite format 3\0" + b"\xff" * 200])
def test_a_damaged_journal_is_an_error_that_says_it_may_be_deleted(
    path: Path, content: bytes
) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(RunError, match="Delete it"):
        Journal(path)


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="cannot use the journal"):
        Journal(tmp_path / "file" / "journal.sqlite")


def test_servers_projects_and_versions_have_journals_of_their_own(tmp_path: Path) -> None:
    paths = {
        journal_path(tmp_path, server, project, version)
        for server in ("http://a", "http://b")
        for project in (1, 2)
        for version in ("v1", "v2")
    }
    assert len(paths) == 8
