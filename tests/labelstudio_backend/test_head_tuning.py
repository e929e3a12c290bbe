"""The head of a project is fine-tuned in a process of its own."""

from __future__ import annotations

import logging
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from engines.micro_heads import write_micro_head
from fine_tuning.tuning_desk import ASKED, NAMES, answered, correction, session_of

from labelstudio_backend.head_tuning import ProjectTuning, Tuning
from labelstudio_backend.learning_options import LearningOptions
from ovseg_annotate.cli.sessions import SessionOptions
from ovseg_annotate.errors import ModelError, OptionError
from ovseg_annotate.fine_tuning.job import Jobs, read_trained
from ovseg_annotate.learning_loop.project import Project
from ovseg_annotate.session import Session

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"catseg@{write_micro_head(tmp_path_factory.mktemp('catseg'), 'catseg')}"


@pytest.fixture(scope="module")
def session(model: str) -> Session:
    return session_of(model)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with Project(tmp_path) as project:
        yield project


def tuning_of(model: str, after: int = len(NAMES)) -> ProjectTuning:
    options = SessionOptions(model=model, device="cpu", precision="float32")
    return ProjectTuning(Tuning(options, after))


def looked_after(tuning: ProjectTuning, project: Project, session: Session) -> str:
    return tuning.round(project, session, ASKED, lambda: False)


def wait_for_the_end() -> None:
    (process,) = multiprocessing.active_children()
    process.join(240)
    assert process.exitcode is not None, "the training did not end"


@pytest.mark.slow
def test_enough_corrections_begin_it_and_its_end_puts_a_version_into_service(
    project: Project, session: Session, model: str
) -> None:
    with closing(tuning_of(model)) as tuning:
        answered(project, NAMES[:-1])
        assert looked_after(tuning, project, session) == ""
        answered(project)
        assert "in process" in looked_after(tuning, project, session)
        assert looked_after(tuning, project, session) == ""  # nobody waits for it
        assert project.versions.names == ()
        wait_for_the_end()
        assert tuning.has_ended
        assert "better" in looked_after(tuning, project, session)
        assert project.current is not None
        assert project.current.lesson.head is not None
        assert not tuning.has_ended
        project.take(correction("9.png"))  # one is not enough for the next
        assert looked_after(tuning, project, session) == ""


@pytest.mark.slow
def test_a_server_that_is_stopped_goes_on_with_it_when_it_is_started_again(
    project: Project, session: Session, model: str
) -> None:
    answered(project)
    with closing(tuning_of(model)) as tuning:
        assert "in process" in looked_after(tuning, project, session)
    assert multiprocessing.active_children() == []
    under_way = Jobs(project.folder).under_way
    assert under_way is not None
    with closing(tuning_of(model)) as tuning:
        assert "in process" in looked_after(tuning, project, session)
        assert Jobs(project.folder).under_way == under_way
        wait_for_the_end()
        assert "better" in looked_after(tuning, project, session)


SERVER = """
import sys
from pathlib import Path
from fine_tuning.tuning_desk import answered, session_of
from tests.labelstudio_backend.test_head_tuning import looked_after, tuning_of
from ovseg_annotate.learning_loop.project import Project
if __name__ == "__main__":
    folder, model = sys.argv[1:]
    with Project(Path(folder)) as project:
        answered(project)
        print(looked_after(tuning_of(model), project, session_of(model)), flush=True)
        sys.stdin.read()
"""


@pytest.mark.slow
def test_a_server_that_is_killed_leaves_no_process_behind(tmp_path: Path, model: str) -> None:
    script = tmp_path / "server.py"
    script.write_text(SERVER)
    server = subprocess.Popen(
        [sys.executable, script, tmp_path, model],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "tests")))},
        text=True,
    )
    with server:
        assert server.stdout is not None
        said = server.stdout.readline()
        training = psutil.Process(int(said.split("in process ")[1]))
        server.kill()
    training.wait(120)
    folder = Jobs(tmp_path).under_way
    assert folder is not None
    assert read_trained(folder) is None  # it stopped, and did not go on to its end


@pytest.mark.slow
def test_a_process_that_died_is_not_started_over_and_over(
    project: Project, session: Session, model: str, caplog: pytest.LogCaptureFixture
) -> None:
    answered(project)
    with closing(tuning_of(model)) as tuning:
        assert "in process" in looked_after(tuning, project, session)
        (process,) = multiprocessing.active_children()
        process.kill()
        process.join(60)
        with caplog.at_level(logging.WARNING):
            assert looked_after(tuning, project, session) == ""
        assert "ended before it was finished" in caplog.text
        assert looked_after(tuning, project, session) == ""
        project.take(correction("9.png"))
        assert "in process" in looked_after(tuning, project, session)


def test_a_model_without_a_head_is_refused_before_it_is_loaded() -> None:
    with pytest.raises(ModelError, match="catseg@mini"):
        Tuning(SessionOptions(model="naclip@mini"), 20)


def test_fine_tuning_is_a_way_of_learning() -> None:
    with pytest.raises(OptionError, match="give --learn, too"):
        LearningOptions(fine_tune=True)
    with pytest.raises(OptionError, match="at least 4"):
        LearningOptions(learn=True, fine_tune=True, fine_tune_after=1)
