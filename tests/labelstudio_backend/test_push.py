"""Nothing is lost and nothing is stored twice, whatever goes wrong on the way."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from fake_label_studio import PROJECT, FakeLabelStudio, Fault, Faults
from hypothesis import given, settings
from hypothesis import strategies as st
from loopback import listening

from labelstudio_backend.journal import Journal
from labelstudio_backend.label_studio import LabelStudio
from labelstudio_backend.push import Push, Pushed, PushOptions, TaskOutcome
from labelstudio_backend.rest import LabelStudioError, RestClient
from labelstudio_backend.tokens import Tokens
from labelstudio_backend.wire import Prediction, Task
from ovseg_annotate.errors import Cancelled, OptionError, RunError
from ovseg_annotate.web.retries import Patience

ROOT = Path(__file__).parents[2]
DRIVER = Path(__file__).with_name("push_driver.py")
VERSION = "fake-1"
ALL = PushOptions(PROJECT)
FOREVER: Callable[[], bool] = lambda: False  # noqa: E731


def suggestion(task: Task) -> Prediction:
    return Prediction(({"id": str(task.id)},), 0.5, VERSION)


@contextmanager
def client_of(url: str) -> Iterator[LabelStudio]:
    patience = Patience(attempts=4, first_wait=0.001, longest_wait=0.002)
    with (
        closing(Tokens(url, "a-plain-token")) as tokens,
        closing(RestClient(url, tokens, patience)) as client,
    ):
        yield LabelStudio(client)


def pushed(
    fake: FakeLabelStudio,
    journal: Path,
    suggest: Callable[[Task], Prediction] = suggestion,
    stopped: Callable[[], bool] = FOREVER,
    options: PushOptions = ALL,
) -> list[TaskOutcome]:
    with listening(fake.app) as url:
        return pushed_to(url, journal, suggest, stopped, options)


def pushed_to(
    url: str,
    journal: Path,
    suggest: Callable[[Task], Prediction] = suggestion,
    stopped: Callable[[], bool] = FOREVER,
    options: PushOptions = ALL,
) -> list[TaskOutcome]:
    with client_of(url) as studio, Journal(journal) as opened:
        return list(Push(studio, opened, suggest, VERSION, options).run(stopped))


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def test_every_task_gets_one_prediction_page_after_page(journal: Path) -> None:
    fake = FakeLabelStudio(250)
    outcomes = pushed(fake, journal)
    assert sorted(outcome.task for outcome in outcomes) == list(range(1, 251))
    assert {outcome.pushed for outcome in outcomes} == {Pushed.STORED}
    assert fake.stored == {task: [VERSION] for task in range(1, 251)}


def test_a_second_push_sends_nothing(journal: Path) -> None:
    fake = FakeLabelStudio(30)
    pushed(fake, journal)
    assert pushed(fake, journal) == []
    assert fake.stored_count == 30


def test_another_model_version_is_pushed_beside_the_first(journal: Path) -> None:
    fake = FakeLabelStudio(3, stored={2: ["older"]})
    pushed(fake, journal)
    assert fake.stored == {1: [VERSION], 2: ["older", VERSION], 3: [VERSION]}


def test_tasks_that_a_person_labelled_are_left_alone_on_request(journal: Path) -> None:
    fake = FakeLabelStudio(4, labelled=frozenset({2, 3}))
    pushed(fake, journal, options=PushOptions(PROJECT, unlabelled=True))
    assert sorted(fake.stored) == [1, 4]
    pushed(fake, journal)
    assert sorted(fake.stored) == [1, 2, 3, 4]


def test_tasks_are_asked_for_as_they_are_needed(journal: Path) -> None:
    fake = FakeLabelStudio(1000)
    pushed(fake, journal, stopped=lambda: fake.stored_count >= 5)
    assert fake.requests.count("GET /api/tasks") <= 1 + fake.stored_count // 100


def test_a_prediction_that_came_while_the_task_was_in_work_is_not_doubled(journal: Path) -> None:
    fake = FakeLabelStudio(1)

    def opened_by_an_annotator(task: Task) -> Prediction:
        fake.stored[1] = [VERSION]
        return suggestion(task)

    (outcome,) = pushed(fake, journal, opened_by_an_annotator)
    assert outcome.pushed is Pushed.THERE
    assert fake.stored == {1: [VERSION]}


def test_a_failed_task_costs_no_other_and_is_tried_again_next_time(journal: Path) -> None:
    fake = FakeLabelStudio(5)

    def without_the_third(task: Task) -> Prediction:
        if task.id == 3:
            return replace(suggestion(task), failure="the picture is damaged")
        return suggestion(task)

    outcomes = pushed(fake, journal, without_the_third)
    failed = [outcome for outcome in outcomes if outcome.pushed is Pushed.FAILED]
    assert failed == [TaskOutcome(3, Pushed.FAILED, "the picture is damaged")]
    with Journal(journal) as opened:
        assert [(each.task, each.reason) for each in opened.failures(10)] == [
            (3, "the picture is damaged")
        ]
    assert [outcome.task for outcome in pushed(fake, journal)] == [3]
    with Journal(journal) as opened:
        assert opened.failures(10) == ()


def test_a_prediction_that_label_studio_refuses_is_a_failure_with_its_reason(
    journal: Path,
) -> None:
    def refuse_posts(method: str, path: str, number: int) -> Fault | None:
        return Fault.REFUSED if method == "POST" else None

    (outcome,) = pushed(FakeLabelStudio(1, refuse_posts), journal)
    assert outcome.pushed is Pushed.FAILED
    assert "not like this" in outcome.reason


@settings(max_examples=8)
@given(seed=st.integers(0, 2**32), share=st.floats(0.0, 0.5))
def test_faults_lose_and_double_nothing(
    seed: int, share: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    fake = FakeLabelStudio(40, random_faults(seed, share))
    journal = tmp_path_factory.mktemp("push") / "journal.sqlite"
    with listening(fake.app) as url:
        for _ in range(4):
            with suppress(LabelStudioError):  # away for too long
                pushed_to(url, journal)
        fake.faults = lambda method, path, number: None
        pushed_to(url, journal)
    assert fake.stored == {task: [VERSION] for task in range(1, 41)}


def random_faults(seed: int, share: float) -> Faults:
    chance = random.Random(seed)  # noqa: S311

    def fault(method: str, path: str, number: int) -> Fault | None:
        return chance.choice(list(Fault)[:4]) if chance.random() < share else None

    return fault


def test_when_label_studio_is_away_the_push_ends_and_says_that_it_goes_on(journal: Path) -> None:
    def broken(method: str, path: str, number: int) -> Fault | None:
        return Fault.BROKEN if number > 12 else None

    fake = FakeLabelStudio(30, broken)
    with pytest.raises(LabelStudioError, match="it goes on from here"):
        pushed(fake, journal)
    fake.faults = lambda method, path, number: None
    pushed(fake, journal)
    assert fake.stored == {task: [VERSION] for task in range(1, 31)}


def test_a_stop_finishes_what_is_in_work_and_the_rest_is_done_later(journal: Path) -> None:
    fake = FakeLabelStudio(50)
    outcomes = pushed(fake, journal, stopped=lambda: fake.stored_count >= 5)
    assert 5 <= len(outcomes) < 50
    assert len(outcomes) == fake.stored_count
    pushed(fake, journal)
    assert fake.stored == {task: [VERSION] for task in range(1, 51)}


def test_work_that_was_stopped_in_the_middle_is_no_failure(journal: Path) -> None:
    fake = FakeLabelStudio(3)

    def stopped_while_working(task: Task) -> Prediction:
        if task.id == 2:
            raise Cancelled("stopped on request")
        return suggestion(task)

    outcomes = pushed(fake, journal, stopped_while_working)
    assert sorted(outcome.task for outcome in outcomes) == [1, 3]
    assert [outcome.task for outcome in pushed(fake, journal)] == [2]


def test_a_second_push_of_the_same_project_is_refused(journal: Path) -> None:
    with Journal(journal), pytest.raises(RunError, match="another push"):
        Journal(journal)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_a_thousand_tasks_survive_kill_9_at_a_random_moment(seed: int, journal: Path) -> None:
    fake = FakeLabelStudio(1000, random_faults(seed, 0.02))
    moment = random.Random(seed).randint(50, 950)  # noqa: S311
    milestone = fake.when_stored(moment)
    with listening(fake.app) as url:
        first = driven_push(url, journal)
        assert milestone.wait(timeout=200)
        first.kill()
        first.communicate()
        killed_at = fake.stored_count
        again = driven_push(url, journal)
        _, talk = again.communicate(timeout=200)
    assert again.returncode == 0, talk
    assert killed_at < 1000
    assert fake.doubled == []
    assert fake.stored_count == 1000


def driven_push(url: str, journal: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(DRIVER), url, str(journal)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("number", "at_once", "said"), [(0, 4, "/projects/3/data"), (1, 0, "1 to 64")]
)
def test_options_that_make_no_sense_are_refused(number: int, at_once: int, said: str) -> None:
    with pytest.raises(OptionError, match=said):
        PushOptions(number, at_once=at_once)
