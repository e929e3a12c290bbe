"""A fine-tuned head travels to a server like any other lesson."""

from __future__ import annotations

from pathlib import Path

import pytest
from engines.micro_heads import write_micro_head
from fine_tuning.tuning_desk import OPTIONS, QUICK, WORDS, answered, fine_tune, picture
from served import served, session_of
from vector_engine import VectorEngine, vector_session

from ovseg_annotate.catalog import open_engine
from ovseg_annotate.errors import VersionError
from ovseg_annotate.learning_loop.project import Project
from ovseg_annotate.lessons.lesson import Lesson, lesson_of_head
from ovseg_annotate.wire.answers import lesson_bytes, lesson_of


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"catseg@{write_micro_head(tmp_path_factory.mktemp('catseg'), 'catseg')}"


@pytest.fixture(scope="module")
def lesson(model: str, tmp_path_factory: pytest.TempPathFactory) -> Lesson:
    session = session_of(open_engine(model, offline=True))
    with Project(tmp_path_factory.mktemp("project")) as project:
        answered(project)
        fine_tune(project, session, QUICK)
        assert project.current is not None
        return project.current.lesson


def test_its_answers_there_are_those_here(model: str, lesson: Lesson, tmp_path: Path) -> None:
    engine = open_engine(model, offline=True)
    with served(engine, tmp_path) as server:
        mine, theirs = server.session().taught(lesson), session_of(engine).taught(lesson)
        assert mine.weights_digest == theirs.weights_digest
        found, expected = (
            each.annotate(picture("8.png"), WORDS, OPTIONS).label_map for each in (mine, theirs)
        )
    assert found.confidence.tobytes() == expected.confidence.tobytes()
    assert found.labels.tobytes() == expected.labels.tobytes()


def test_it_comes_back_from_its_packet_to_the_bit(lesson: Lesson) -> None:
    back = lesson_of(lesson_bytes(lesson), "here")
    assert lesson.head is not None
    assert back.head is not None
    assert back.head.digest == lesson.head.digest
    assert {name: (each.shape, each.tobytes()) for name, each in back.head.added.items()} == {
        name: (each.shape, each.tobytes()) for name, each in lesson.head.added.items()
    }


def test_an_engine_without_a_head_refuses_it(lesson: Lesson) -> None:
    assert lesson.head is not None
    session = vector_session()
    with pytest.raises(VersionError, match="has none"):
        session.taught(lesson_of_head(lesson.head, session.card.space))
    assert isinstance(session.engine, VectorEngine)


def test_a_head_of_another_shape_refuses_it(model: str, lesson: Lesson) -> None:
    assert lesson.head is not None
    name, added = next(iter(lesson.head.added.items()))
    odd = type(lesson.head)("b" * 64, {name: added[None]})
    session = session_of(open_engine(model, offline=True))
    with pytest.raises(VersionError, match="open the model that it was learnt with"):
        session.taught(lesson_of_head(odd, lesson.space))
