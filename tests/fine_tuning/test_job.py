"""Fine-tuning as a whole: a head learns, goes into service or not, and survives stops."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from engines.micro_heads import write_micro_head
from fine_tuning.tuning_desk import (
    ASKED,
    NAMES,
    QUICK,
    StopAfter,
    answered,
    correction,
    fine_tune,
    labels,
    session_of,
    share_right,
)
from vector_engine import vector_session

from ovseg_annotate.errors import Cancelled, ModelError, RunError
from ovseg_annotate.fine_tuning import beginning
from ovseg_annotate.fine_tuning.beginning import begin
from ovseg_annotate.fine_tuning.concluding import conclude
from ovseg_annotate.fine_tuning.job import Jobs, held_back_among, read_job
from ovseg_annotate.fine_tuning.outcome import FineTuned
from ovseg_annotate.fine_tuning.working import work
from ovseg_annotate.learning_loop.project import Project
from ovseg_annotate.lessons.model_names import with_version
from ovseg_annotate.lessons.version import read_version
from ovseg_annotate.session import Session, open_session
from ovseg_annotate.watch import Watch


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"catseg@{write_micro_head(tmp_path_factory.mktemp('catseg'), 'catseg')}"


@pytest.fixture(scope="module")
def session(model: str) -> Session:
    return session_of(model)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


def test_a_head_learns_what_was_corrected_and_goes_into_service(
    project: Project, session: Session
) -> None:
    unseen = "8.png"
    with project:
        answered(project)
        outcome = fine_tune(project, session)
        current = project.current
    assert outcome.name in outcome.sentence
    assert "better" in outcome.sentence
    assert current is not None
    assert outcome.after is not None
    assert outcome.before is not None
    assert outcome.after == current.card.after > outcome.before + 0.05
    taught = session.taught(current.lesson)
    assert share_right(taught, unseen) > share_right(session, unseen) + 0.1
    assert current.card.head == current.card.digest
    assert current.card.head_before != current.card.head_after


@pytest.mark.parametrize("system", ["logoseg", "fgaseg", "lmseg"])
def test_every_engine_with_a_head_can_be_fine_tuned(
    project: Project, tmp_path: Path, system: str
) -> None:
    session = session_of(f"{system}@{write_micro_head(tmp_path, system)}")
    with project:
        answered(project)
        outcome = fine_tune(project, session, replace(QUICK, steps=5))
        assert outcome.after is not None
        assert Jobs(project.folder).under_way is None


def test_going_back_and_forth_gives_the_same_answers_to_the_bit(
    project: Project, session: Session, model: str
) -> None:
    before = session.annotate(*_question())
    with project:
        answered(project)
        name = fine_tune(project, session).name
        assert project.current is not None
        tuned = session.taught(project.current.lesson).annotate(*_question())
        assert project.roll_back() == ""
        assert project.current is None
        again = session.taught(None).annotate(*_question())
        project.use(name)
        file = project.versions.path_of(name)
        elsewhere = session.taught(read_version(file).lesson).annotate(*_question())
    assert (before.label_map.confidence == again.label_map.confidence).all()
    assert (tuned.label_map.confidence == elsewhere.label_map.confidence).all()
    assert not (tuned.label_map.confidence == before.label_map.confidence).all()
    with open_session(with_version(model, file), device="cpu", precision="float32") as opened:
        named = opened.annotate(*_question())
        assert opened.weights_digest == session.taught(read_version(file).lesson).weights_digest
    assert (named.label_map.confidence == tuned.label_map.confidence).all()
    assert file.stat().st_size < 10_000_000


def test_no_picture_is_encoded_again_for_a_tuned_head(project: Project, session: Session) -> None:
    with project:
        answered(project)
        fine_tune(project, session)
        assert project.current is not None
        labels(session, "9.png")
        misses = session.store.counts.misses
        labels(session.taught(project.current.lesson), "9.png")
    assert session.store.counts.misses == misses


def test_a_stopped_fine_tuning_goes_on_to_the_same_head(
    project: Project, session: Session, tmp_path: Path
) -> None:
    with Project(tmp_path / "whole") as whole:
        answered(whole)
        fine_tune(whole, session)
        assert whole.current is not None
        expected = whole.current.card
    with project:
        answered(project)
        folder = begin(project, session, ASKED, QUICK, Watch())
        assert isinstance(folder, Path)
        stop = StopAfter(10)
        with pytest.raises(Cancelled, match="after step 10"):
            work(folder, session, QUICK, stop.watch, stop.look)
        assert project.versions.names == ()
        with pytest.raises(RunError, match="has not ended"):
            conclude(project, session, folder)
        project.take(correction("9.png"))  # what comes meanwhile waits for the next one
        fine_tune(project, session)
        assert project.current is not None
        card = project.current.card
    assert (card.digest, card.head_after) == (expected.digest, expected.head_after)
    assert card.after == expected.after


def test_a_job_whose_corrections_were_changed_begins_again(
    project: Project, session: Session
) -> None:
    with project:
        answered(project)
        first = begin(project, session, ASKED, QUICK, Watch())
        project.take(correction("0.png", accepted=False))
        second = begin(project, session, ASKED, QUICK, Watch())
        assert isinstance(first, Path)
        assert isinstance(second, Path)
        assert first != second
        assert not first.exists()
        assert begin(project, session, ASKED, QUICK, Watch()) == second


def test_a_stop_while_it_is_prepared_leaves_no_half_of_a_job(
    project: Project, session: Session
) -> None:
    asks = iter(range(100))
    with project:
        answered(project)
        with pytest.raises(Cancelled):
            begin(project, session, ASKED, QUICK, Watch(cancel=lambda: next(asks) > 4))
        assert Jobs(project.folder).under_way is None
        assert isinstance(begin(project, session, ASKED, QUICK, Watch()), Path)


def test_a_head_that_is_no_better_is_not_put_into_service(
    project: Project, session: Session
) -> None:
    with project:
        answered(project)
        name = fine_tune(project, session).name
        project.take(correction("9.png"))
        # Steps so small that nothing comes of them.
        outcome = fine_tune(project, session, replace(QUICK, learning_rate=1e-9, steps=5))
        assert outcome.name == ""
        assert outcome.sentence.startswith("not put into service")
        assert "of the version in service" in outcome.sentence
        assert project.versions.in_service.name == name
        assert project.versions.names == (name,)


def test_nothing_is_done_twice(project: Project, session: Session) -> None:
    with project:
        answered(project)
        first = fine_tune(project, session)
        again = fine_tune(project, session)
        assert again.name == ""
        assert "nothing was corrected since the last fine-tuning" in again.sentence
        assert first.sentence in again.sentence


def test_the_next_one_starts_from_the_head_in_service(project: Project, session: Session) -> None:
    with project:
        answered(project)
        fine_tune(project, session)
        assert project.current is not None
        first = project.current.card
        project.take(correction("9.png"))
        folder = begin(project, session, ASKED, QUICK, Watch())
        assert isinstance(folder, Path)
        card = read_job(folder)
        assert (card.start, card.parent) == (first.digest, first.digest)
        assert work(folder, session, QUICK, Watch()).head_before == first.head_after


def test_a_refresh_adds_to_the_head_in_service(project: Project, session: Session) -> None:
    with project:
        answered(project)
        # A head that has learnt little, so that there is something left to learn.
        fine_tune(project, session, replace(QUICK, steps=10))
        assert project.current is not None
        tuned = project.current.lesson.head
        assert tuned is not None
        verdict = project.refresh(session, ASKED)
        assert verdict.judgement is not None
        assert verdict.judgement.base == verdict.judgement.present
        if verdict.version is not None:  # it need not be worth it
            assert verdict.version.lesson.head is tuned
            assert verdict.version.card.head == tuned.digest
        project.use("")
        alone = project.judge(session, ASKED)
        assert alone.judgement is not None
        assert alone.judgement.base != verdict.judgement.base


def test_too_little_says_how_much_is_needed(project: Project, session: Session) -> None:
    with project:
        answered(project, NAMES[:3])
        outcome = fine_tune(project, session)
    assert isinstance(outcome, FineTuned)
    assert "3 pictures, 4 are needed" in outcome.sentence


def test_an_engine_without_a_head_names_those_that_have_one(project: Project) -> None:
    with project, pytest.raises(ModelError, match=r"catseg@mini, logoseg@mini.*S-Seg"):
        begin(project, vector_session(), ASKED, QUICK, Watch())


def test_what_judged_once_is_never_learnt_from() -> None:
    names = [f"{number}.png" for number in range(40)]
    judges = [held_back_among(names[:count]) for count in range(4, 41)]
    learnt: set[str] = set()
    for count, judging in zip(range(4, 41), judges, strict=True):
        assert 2 <= len(judging) <= 0.6 * count
        assert not learnt & judging
        learnt |= set(names[:count]) - judging
    assert 0.2 * 40 <= len(judges[-1]) <= 0.4 * 40


def test_pictures_that_cannot_be_read_are_named(project: Project, session: Session) -> None:
    with project:
        answered(project, [*NAMES, "999999.png"])
        asked = replace(ASKED, picture=lambda name: ASKED.picture(_there(name)))
        folder = begin(project, session, asked, QUICK, Watch())
        assert isinstance(folder, Path)
        work(folder, session, QUICK, Watch())
        outcome = conclude(project, session, folder)
    assert [each.picture for each in outcome.left_out] == ["999999.png"]


def test_of_more_pictures_than_can_be_learnt_from_some_are_drawn_and_the_others_named(
    project: Project, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beginning, "_WINDOWS", 5)
    with project:
        answered(project)
        folder = begin(project, session, ASKED, QUICK, Watch())
        assert isinstance(folder, Path)
        card = read_job(folder)
        assert len(card.corrections) == 5
        assert card.considered == tuple(sorted(project.journal.standing.items()))
        assert {reason for _, _, reason in card.left_out} == {
            f"5 of the {len(NAMES)} corrected pictures were drawn"
        }
        assert begin(project, session, ASKED, QUICK, Watch()) == folder


def _there(name: str) -> str:
    if name == "999999.png":
        raise RunError("it is gone")
    return name


def _question() -> tuple[object, ...]:
    return ASKED.picture("8.png"), ASKED.vocabulary, ASKED.options


def test_a_tuned_head_is_deterministic(project: Project, session: Session) -> None:
    with project:
        answered(project)
        fine_tune(project, session)
        assert project.current is not None
        taught = [session.taught(project.current.lesson) for _ in range(2)]
    assert np.array_equal(labels(taught[0], "8.png"), labels(taught[1], "8.png"))
    assert taught[0].engine is taught[1].engine
