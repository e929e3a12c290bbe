"""What was typed, and the parameters of a project, after a stop."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelstudio_backend.memory import memory_of
from labelstudio_backend.projects import Projects, ProjectState, TypedWords
from labelstudio_backend.remembered import RememberedProjects
from labelstudio_backend.settings import Settings
from labelstudio_backend.words import Wording

SERVER = "http://127.0.0.1:8080"
CAR = TypedWords("image", Wording("car", ("sedan", "a red car"), 0.4))
ROAD = TypedWords("image", Wording("road", ("asphalt",)))


def kept_in(folder: Path) -> Projects:
    """As a backend that has just started."""
    return memory_of(Settings(data=folder)).projects


def the_file(folder: Path) -> Path:
    (found,) = (folder / "projects").iterdir()
    return found


def test_typed_words_and_parameters_survive_a_stop(tmp_path: Path) -> None:
    before = kept_in(tmp_path)
    before.set_up("3.17", {"contrast": "none"})
    before.typed("3.17", ROAD)
    before.typed("3.17", CAR)
    after = kept_in(tmp_path).state("3.17")
    assert after == before.state("3.17")
    assert after.identity == before.state("3.17").identity
    assert after.typed == (ROAD, CAR)
    assert after.extra_params == {"contrast": "none"}


def test_projects_and_servers_are_kept_apart(tmp_path: Path) -> None:
    kept_in(tmp_path).typed("3.17", CAR)
    other = memory_of(Settings(data=tmp_path, label_studio_url="http://127.0.0.1:9999")).projects
    assert kept_in(tmp_path).state("4.17") == other.state("3.17") == ProjectState()


def test_words_that_were_taken_back_stay_taken_back(tmp_path: Path) -> None:
    kept_in(tmp_path).typed("3.17", CAR)
    kept_in(tmp_path).typed("3.17", TypedWords("image", Wording("car", ("car",)), is_own=True))
    assert kept_in(tmp_path).state("3.17").typed == ()


words = st.text(max_size=8)
typed_words = st.builds(
    TypedWords,
    words,
    st.builds(
        Wording, words, st.lists(words, max_size=3).map(tuple), st.none() | st.floats(0.0, 1.0)
    ),
)


@given(project=st.text(min_size=1, max_size=20), typed=st.lists(typed_words, max_size=4))
def test_any_words_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, project: str, typed: list[TypedWords]
) -> None:
    folder = tmp_path_factory.mktemp("words")
    state = ProjectState({"a": [1, None]}, tuple(typed))
    RememberedProjects(folder, SERVER).write(project, state)
    assert RememberedProjects(folder, SERVER).read(project) == state


@pytest.mark.parametrize("damage", ["torn", "changed", "empty", "no-json", "huge"])
def test_a_damaged_file_is_a_warning_and_the_next_words_replace_it(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    kept_in(tmp_path).typed("3.17", CAR)
    path = the_file(tmp_path)
    content = path.read_bytes()
    path.write_bytes(
        {
            "torn": content[:-20],
            "changed": content.replace(b"sedan", b"sodan"),
            "empty": b"",
            "no-json": b"\xff\xfe",
            "huge": content + b" " * 2**20,
        }[damage]
    )
    again = kept_in(tmp_path)
    assert again.state("3.17") == ProjectState()
    assert str(path) in caplog.text
    again.typed("3.17", ROAD)
    assert kept_in(tmp_path).state("3.17").typed == (ROAD,)


def test_a_folder_that_cannot_be_written_costs_a_warning_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "projects").write_text("a file where the folder should be")
    projects = kept_in(tmp_path)
    with caplog.at_level(logging.WARNING):
        projects.typed("3.17", CAR)
    assert projects.state("3.17").typed == (CAR,)
    assert "lost when the backend stops" in caplog.text


def test_the_projects_that_were_changed_longest_ago_go_first(tmp_path: Path) -> None:
    store = RememberedProjects(tmp_path, SERVER, limit=2)
    for second, project in enumerate(("a", "b")):
        store.write(project, ProjectState(typed=(CAR,)))
        newest = max(tmp_path.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        os.utime(newest, (second, second))
    store.write("c", ProjectState(typed=(CAR,)))
    assert [bool(store.read(project).typed) for project in "abc"] == [False, True, True]


def test_a_setup_that_brings_nothing_new_writes_nothing(tmp_path: Path) -> None:
    projects = kept_in(tmp_path)
    projects.set_up("3.17", {"contrast": "none"})
    path = the_file(tmp_path)
    path.unlink()
    projects.set_up("3.17", {"contrast": "none"})
    assert not path.exists()


def test_the_words_of_a_project_are_bounded() -> None:
    projects = Projects()
    for number in range(300):
        projects.typed("3.17", TypedWords("image", Wording(f"concept {number}", ("word",))))
    typed = projects.state("3.17").typed
    assert len(typed) == 256
    assert typed[-1].wording.concept == "concept 299"


def test_the_order_of_typing_is_no_part_of_the_version() -> None:
    one, other = Projects(), Projects()
    for projects, order in ((one, (CAR, ROAD)), (other, (ROAD, CAR))):
        for each in order:
            projects.typed("3.17", each)
    assert one.state("3.17").identity == other.state("3.17").identity
