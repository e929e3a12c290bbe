"""Learning from what people answered in Label Studio, whatever becomes of its messages."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from fake_label_studio import PROJECT, UID, Fault
from learning_desk import CONFIG, Desk, answered, desk_at, drawn, label_studio, place

from labelstudio_backend.errors import LearningError
from labelstudio_backend.memory import memory_of
from labelstudio_backend.switching import switched, version_lines
from ovseg_annotate.errors import Cancelled, OptionError, VersionError
from ovseg_annotate.learning_loop.journal import FILE_NAME


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with desk_at(label_studio(), tmp_path) as desk:
        yield desk


def test_answers_become_a_version_and_open_tasks_get_its_suggestions(desk: Desk) -> None:
    before = desk.model_version
    answered(desk.fake, 1, 2, 3)
    said = desk.round(asked=True)
    assert "3 corrections taken up; better" in said
    after = desk.model_version
    assert before != after == desk.fake.shown_version == desk.fake.backends[0]["title"]
    assert desk.fake.stored == {
        4: [after],
        5: [after],
        6: [after],
    }


def test_a_handful_of_corrections_is_learnt_from_without_being_asked(tmp_path: Path) -> None:
    with desk_at(label_studio(), tmp_path, learn_after=3) as desk:
        answered(desk.fake, 1, 2)
        desk.round()
        assert desk.versions.names == ()
        answered(desk.fake, 3)
        desk.round()
        assert len(desk.versions.names) == 1


def test_corrections_of_before_a_stop_count_towards_the_handful(tmp_path: Path) -> None:
    fake = label_studio()
    with desk_at(fake, tmp_path, learn_after=3) as desk:
        answered(fake, 1, 2)
        desk.round()
    with desk_at(fake, tmp_path, learn_after=3) as desk:
        answered(fake, 3)
        desk.round()
        assert len(desk.versions.names) == 1


def test_a_second_round_finds_nothing_to_do(desk: Desk) -> None:
    answered(desk.fake, 1, 2, 3)
    desk.round(asked=True)
    requests = len(desk.fake.requests)
    assert desk.round() == "nothing has changed"
    asked = desk.fake.requests[requests:]
    assert not [each for each in asked if "/api/tasks/" in each or "POST" in each]


def test_an_answer_that_is_taken_back_is_unlearnt(desk: Desk) -> None:
    answered(desk.fake, 1, 2, 3)
    desk.round(asked=True)
    desk.fake.take_back(2)
    assert "1 correction taken up" in desk.round(asked=True)
    (first, *_) = desk.versions.names
    learnt = {picture for picture, _ in desk.versions.get(first).card.corrections}
    assert learnt == {"task 1 image", "task 2 image", "task 3 image"}
    journal = (desk.folder / FILE_NAME).read_text().splitlines()
    assert '"correction":null' in journal[-1]
    assert '"picture":"task 2 image"' in journal[-1]


def test_an_answer_that_cannot_be_read_costs_no_other(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    answered(desk.fake, 1, 2, 3)
    (item,) = drawn(place(4))
    desk.fake.annotate(4, [item | {"value": {**item["value"], "rle": [1, 2, 3]}}])
    assert "3 corrections" in desk.round(asked=True)
    assert "the answer of task 4 is not taken up" in caplog.text
    answered(desk.fake, 4)
    assert "1 correction taken up" in desk.round()


def test_suggesting_that_is_stopped_goes_on(desk: Desk) -> None:
    answered(desk.fake, 1, 2)
    assert "more follow" in desk.round(asked=True, stopped=lambda: desk.fake.stored_count >= 1)
    assert desk.fake.shown_version == ""
    assert list(desk.learner.behind()) == [PROJECT]
    desk.round()
    assert sorted(desk.fake.stored) == [3, 4, 5, 6]
    assert not desk.fake.doubled
    assert desk.fake.shown_version == desk.model_version
    assert list(desk.learner.behind()) == []


def test_a_server_that_closes_while_it_learns_leaves_everything_as_it_was(desk: Desk) -> None:
    answered(desk.fake, 1, 2, 3)
    questions = iter(range(8))  # of the refresh, whether to stop: the eighth is told to
    with pytest.raises(Cancelled):
        desk.round(asked=True, closing=lambda: next(questions, None) is None)
    assert desk.versions.names == ()
    assert desk.fake.stored == {}
    assert "better" in desk.round(asked=True)  # with nothing taken up anew


def test_learning_stops_when_its_project_is_deleted(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labelstudio_backend.learning._LOOK_AGAIN", 0.0)
    answered(desk.fake, 1, 2, 3)

    def deletes_it() -> bool:
        desk.fake.deleted = True
        return False

    with pytest.raises(Cancelled):
        desk.round(asked=True, closing=deletes_it)
    assert desk.versions.names == ()


def test_a_server_that_is_away_for_a_moment_has_deleted_no_project(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labelstudio_backend.learning._LOOK_AGAIN", 0.0)
    answered(desk.fake, 1, 2, 3)
    broken: list[str] = []

    def is_away(method: str, path: str, number: int) -> Fault | None:
        if len(broken) == 4 or not path.startswith("/api/projects/"):
            return None
        broken.append(path)
        return Fault.BROKEN

    def goes_away() -> bool:
        desk.fake.faults = is_away
        return False

    desk.round(asked=True, closing=goes_away)
    assert len(broken) == 4
    assert len(desk.versions.names) == 1


def test_a_task_that_is_answered_while_others_are_suggested_is_left_alone(desk: Desk) -> None:
    answered(desk.fake, 1, 2)

    def somebody_submits() -> bool:
        if desk.fake.stored_count == 1:
            answered(desk.fake, 6)
        return False

    desk.round(asked=True, stopped=somebody_submits)
    assert sorted(desk.fake.stored) == [3, 4, 5]


def test_going_back_is_one_command_and_shows_the_earlier_suggestions(desk: Desk) -> None:
    base = desk.model_version
    answered(desk.fake, 1, 2, 3)
    desk.round(asked=True)
    learnt = desk.model_version
    assert "the model as it came is in service" in switched(desk.versions, PROJECT, "back", "")
    assert desk.model_version == base
    assert list(desk.learner.behind()) == [PROJECT]
    desk.round()
    assert desk.fake.shown_version == base
    switched(desk.versions, PROJECT, "use", "v1")
    desk.round()
    assert desk.fake.shown_version == learnt
    assert desk.fake.stored[4] == [base, learnt] or desk.fake.stored[4] == [learnt, base]


def test_start_training_does_not_undo_going_back(desk: Desk) -> None:
    answered(desk.fake, 1, 2, 3)
    desk.round(asked=True)
    switched(desk.versions, PROJECT, "back", "")
    assert "somebody went back" in desk.round(asked=True)
    assert desk.versions.in_service.name == ""


def test_versions_are_listed_with_what_they_promise(desk: Desk) -> None:
    (base, hint) = version_lines(desk.versions, PROJECT)
    assert base.startswith("* base")
    assert "connect --project 3 --learn" in hint
    answered(desk.fake, 1, 2, 3)
    desk.round(asked=True)
    (base, first) = version_lines(desk.versions, PROJECT)
    assert base.startswith("  base")
    assert first.startswith("* v1-")
    assert "from 3 pictures" in first


@pytest.mark.parametrize(
    ("action", "name", "error"),
    [
        ("use", "", OptionError),
        ("back", "v1", OptionError),
        ("delete", "v1", OptionError),
        ("use", "v9", VersionError),
        ("back", "", VersionError),
    ],
)
def test_a_switch_that_cannot_be_says_what_can(
    desk: Desk, action: str, name: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        switched(desk.versions, PROJECT, action, name)


def test_a_project_that_nobody_connected_for_learning_is_left_alone(desk: Desk) -> None:
    desk.fake.backends[0]["extra_params"] = {}
    with pytest.raises(LearningError, match="connect --project 3 --learn"):
        desk.round(asked=True)


def test_a_version_that_is_damaged_is_an_error_and_never_another_version(desk: Desk) -> None:
    answered(desk.fake, 1, 2, 3)
    desk.round(asked=True)
    (name,) = desk.versions.names
    path = desk.versions.path_of(name)
    path.write_bytes(path.read_bytes()[:-9])
    fresh = memory_of(desk.settings).lessons
    with pytest.raises(VersionError, match="damaged"):
        fresh.of(UID)
    assert any("damaged" in line for line in version_lines(desk.versions, PROJECT))
    switched(desk.versions, PROJECT, "use", "base")
    assert fresh.of(UID) is None


def test_a_lesson_holds_for_its_own_project_alone(desk: Desk) -> None:
    other = desk.suggester.model_version(CONFIG, {}, "4.17")
    answered(desk.fake, 1, 2, 3)
    desk.round(asked=True)
    assert desk.suggester.model_version(CONFIG, {}, "4.17") == other


def test_lost_doubled_and_late_messages_and_a_kill_give_the_same_version(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """200 events; of the messages a tenth is lost, a tenth comes twice, all in random order."""
    chance = random.Random(4)  # noqa: S311
    fake = label_studio(12)
    events = [(chance.randrange(1, 9), chance.random() < 0.15) for _ in range(200)]
    messages = [number for number in range(200) if chance.random() >= 0.1]
    messages += chance.sample(messages, 20)
    chance.shuffle(messages)
    hints = iter(messages)
    with ExitStack() as stack:
        desk = stack.enter_context(desk_at(fake, tmp_path / "disturbed"))
        for number, (task, is_taken_back) in enumerate(events):
            if is_taken_back:
                fake.take_back(task)
            else:
                fake.annotate(task, drawn(place(task + chance.randrange(3))))
            if next(hints, 0) % 9 == 0:  # messages of a burst are one round
                desk.round()
            if number == 120:  # kill -9 in the middle of a line
                stack.pop_all().close()
                journal = desk.folder / FILE_NAME
                journal.write_bytes(journal.read_bytes()[:-30])
                with caplog.at_level(logging.WARNING):
                    desk = stack.enter_context(desk_at(fake, tmp_path / "disturbed"))
                    desk.round()
                assert "torn" in caplog.text
        desk.round(asked=True)
        (disturbed,) = desk.versions.names
    with desk_at(fake, tmp_path / "clean") as clean:
        clean.round(asked=True)
        assert clean.versions.names == (disturbed,)
        assert clean.versions.get(disturbed).card.digest == desk.versions.get(disturbed).card.digest
