"""A refresh that is stopped leaves everything as it was, and the next one does what it did not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from learning_samples import asked, corrected
from vector_engine import vector_session

from ovseg_annotate.errors import Cancelled
from ovseg_annotate.learning_loop.project import Project
from ovseg_annotate.learning_loop.versions import IN_SERVICE
from ovseg_annotate.session import Session
from ovseg_annotate.watch import Watch


class Impatient:
    """Somebody who wants to stop when asked for the n-th time."""

    def __init__(self, at: int | None = None) -> None:
        self.questions = 0
        self._at = at

    @property
    def watch(self) -> Watch:
        return Watch(cancel=self._asked)

    def _asked(self) -> bool:
        self.questions += 1
        return self.questions == self._at


def take(project: Project, session: Session, *seeds: int) -> None:
    for seed in seeds:
        project.take(corrected(session, seed))


def test_a_refresh_that_is_stopped_at_any_moment_changes_nothing_and_can_be_made_again(
    tmp_path: Path,
) -> None:
    session = vector_session()
    with Project(tmp_path / "clean") as project:
        take(project, session, 0, 1)
        patient = Impatient()
        clean = project.refresh(session, asked(), watch=patient.watch)
    assert clean.version is not None
    last = patient.questions
    with Project(tmp_path / "stopped") as project:
        take(project, session, 0, 1)
        before = sorted((tmp_path / "stopped").rglob("*"))
        for moment in (1, 2, last // 4, last // 2, last - 1, last):
            with pytest.raises(Cancelled):
                project.refresh(session, asked(), watch=Impatient(moment).watch)
            assert sorted((tmp_path / "stopped").rglob("*")) == before
        again = project.refresh(session, asked()).version
    assert again is not None
    assert again.card.digest == clean.version.card.digest


def test_the_version_in_service_stays_when_the_next_refresh_is_stopped(tmp_path: Path) -> None:
    session = vector_session()
    with Project(tmp_path) as project:
        take(project, session, 0)
        assert project.refresh(session, asked()).version is not None
        service = (tmp_path / IN_SERVICE).read_bytes()
        take(project, session, 1)
        with pytest.raises(Cancelled):
            project.refresh(session, asked(), watch=Impatient(5).watch)
        assert (tmp_path / IN_SERVICE).read_bytes() == service


def test_a_version_whose_use_a_kill_prevented_is_put_into_service_by_the_next_refresh(
    tmp_path: Path,
) -> None:
    session = vector_session()
    with Project(tmp_path) as project:
        take(project, session, 0, 1)
        found = project.judge(session, asked()).version
        assert found is not None
        name = project.versions.add(found)
        # So it stands between the two writes of `put_into_service`.
        killed = {"version": "", "earlier": [], "coming": name}
        (tmp_path / IN_SERVICE).write_text(json.dumps(killed))
        assert project.refresh(session, asked()).name == name
        assert project.versions.in_service.name == name
        assert project.versions.coming is None
        assert project.roll_back() == ""
