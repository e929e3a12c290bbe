"""Ten tasks whose words are wrong; a person corrects some, and the others get better."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from end_to_end.label_studio.house import House, Project
from end_to_end.label_studio.pictures import SIZE, Picture, agreement, microscopy
from end_to_end.label_studio.processes import Program
from end_to_end.label_studio.real_server import EMAIL, PASSWORD
from loopback import free_port

from ovseg_annotate.formats.label_studio_results import LabelStudioOptions, results_of
from ovseg_annotate.polygons import trace
from ovseg_annotate.regions import AnnotatedImage, Region
from ovseg_annotate.vocabulary import Vocabulary

pytestmark = [pytest.mark.slow, pytest.mark.label_studio, pytest.mark.timeout(900)]

SEEDS = (906, 907, 909, 911, 913, 914, 915, 918, 920, 922)
# Nobody who labels nuclei would call them that: there is much to correct.
WORDS = "nucleus: bacterium; -dark background; -bright field; -tissue"
ANSWERED = 4
PATIENCE = 240.0  # s, for a busy machine


@dataclass
class Day:
    """What was seen from morning to evening."""

    project: Project
    house: House  # with the backend that learns
    answered: list[int] = field(default_factory=list)  # tasks
    versions: list[str] = field(default_factory=list)  # model versions that were shown, in order
    before: dict[int, dict[str, Any]] = field(default_factory=dict)  # predictions, by task
    after: dict[int, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def open(self) -> list[int]:
        return [task["id"] for task in self.project.tasks() if task["id"] not in self.answered]

    def remote(self) -> Mapping[str, Any]:
        found: Any = self.house.studio.rest.get(f"/api/projects/{self.project.number}/").value
        return dict(found)

    def versions_listed(self, *arguments: str) -> str:
        return self.house.run("versions", "--project", str(self.project.number), *arguments)


def until(is_so: Callable[[], bool], program: Program) -> None:
    """Wait for what the backend does in the background."""
    end, pause = time.monotonic() + PATIENCE, threading.Event()
    while not is_so():
        assert time.monotonic() < end, program.talk[-3000:]
        pause.wait(0.3)


def by_hand(picture: Picture) -> list[dict[str, object]]:
    """What a person draws who knows what is right."""
    polygons = trace(picture.truth["nucleus"])
    regions = tuple(Region("nucleus", (polygon,), None) for polygon in polygons)
    image = AnnotatedImage(picture.name, SIZE, regions, Vocabulary.parse("nucleus"), None)
    return results_of(image, LabelStudioOptions("polygon", "polygon", "image"))


@pytest.fixture(scope="module")
def learning(house: House) -> Iterator[tuple[House, Program]]:
    """The same Label Studio with a second backend, which learns."""
    url = f"http://127.0.0.1:{free_port()}"
    environment = {**house.environment, "OVSEG_DATA": str(house.folder / "learning")}
    command = [sys.executable, "-m", "labelstudio_backend", "serve", "--learn"]
    command += ["--learn-after", str(ANSWERED), "--port", url.rpartition(":")[2]]
    log = house.folder / "learning.log"
    backend = Program(command, environment, log, f"{url}/health")
    backend.start()
    try:
        yield replace(house, backend=backend, backend_url=url, environment=environment), backend
    finally:
        backend.stop()


@pytest.fixture(scope="module")
def day(learning: tuple[House, Program]) -> Day:
    house, backend = learning
    config = house.run("config", "--prompts", WORDS)
    project = house.project("learning", config, microscopy(SEEDS))
    day, address = Day(project, house), ["--project", str(project.number)]
    house.run("connect", *address, "--backend-url", house.backend_url, "--learn")
    house.run("push", *address)
    day.versions.append(day.remote()["model_version"])
    day.before = {each["task"]: each for each in project.predictions()}
    for task in project.tasks()[:ANSWERED]:
        answer = {
            "result": by_hand(project.picture_of(task)),
            "parent_prediction": day.before[task["id"]]["id"],
        }
        house.studio.rest.post(f"/api/tasks/{task['id']}/annotations/", answer)
        day.answered.append(task["id"])
    until(lambda: day.remote()["model_version"] != day.versions[0], backend)
    day.versions.append(day.remote()["model_version"])
    for each in project.predictions():
        day.after.setdefault(each["task"], []).append(each)
    return day


def shown_now(day: Day, task: int, version: str) -> list[dict[str, Any]]:
    return [each for each in day.after[task] if each["model_version"] == version]


def test_tasks_come_by_uncertainty(day: Day) -> None:
    assert day.remote()["sampling"] == "Uncertainty sampling"
    backend = day.project.backend()
    assert backend["title"] == backend["model_version"] == day.versions[-1]


def test_open_tasks_have_one_suggestion_of_the_new_version(day: Day) -> None:
    assert len(day.open) == len(SEEDS) - ANSWERED
    for task in day.open:
        assert len(shown_now(day, task, day.versions[-1])) == 1


def test_tasks_that_were_answered_are_left_alone(day: Day) -> None:
    for task in day.answered:
        assert [each["id"] for each in day.after[task]] == [day.before[task]["id"]]


def test_suggestions_are_better_where_nobody_has_answered(day: Day) -> None:
    pictures = {task["id"]: day.project.picture_of(task) for task in day.project.tasks()}

    def quality(task: int, results: list[dict[str, Any]]) -> float:
        return next(agreement(results, pictures[task].truth), 0.0)

    before = [quality(task, day.before[task]["result"]) for task in day.open]
    after = [
        quality(task, shown_now(day, task, day.versions[-1])[0]["result"]) for task in day.open
    ]
    assert np.mean(after) > np.mean(before) + 0.1


def test_the_next_task_is_the_one_in_doubt(
    day: Day, studio_python: Path, screenshots: Path
) -> None:
    scores = {task: shown_now(day, task, day.versions[-1])[0]["score"] for task in day.open}
    shot = screenshots / "label-studio-queue.png"
    job = {"server": day.house.studio.url, "email": EMAIL, "password": PASSWORD}
    job |= {"project": day.project.number, "shot": str(shot)}
    question, answer = day.house.folder / "next.json", day.house.folder / "came.json"
    question.write_text(json.dumps(job))
    script = Path(__file__).with_name("browser_queue.py")
    done = subprocess.run(
        [str(studio_python), str(script), str(question), str(answer)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(answer.read_text())["task"] == min(scores, key=lambda task: scores[task])
    assert shot.stat().st_size > 10_000


def test_going_back_and_forth_is_one_command(day: Day, learning: tuple[House, Program]) -> None:
    assert "* v1-" in day.versions_listed()
    _, backend = learning
    day.versions_listed("back")
    until(lambda: day.remote()["model_version"] == day.versions[0], backend)
    day.versions_listed("use", "v1")
    until(lambda: day.remote()["model_version"] == day.versions[1], backend)
    assert len(day.project.predictions()) == sum(len(each) for each in day.after.values())


def test_start_training_is_answered_at_once_and_an_answer_taken_back_is_unlearnt(
    day: Day, learning: tuple[House, Program]
) -> None:
    house, backend = learning
    (annotation,) = next(
        task["annotations"] for task in day.project.tasks() if task["id"] == day.answered[0]
    )
    house.studio.delete(f"/api/annotations/{annotation['id']}/")
    begun = time.monotonic()
    house.studio.rest.post(f"/api/ml/{day.project.backend()['id']}/train", {})
    assert time.monotonic() - begun < 5
    until(lambda: "v2-" in day.versions_listed() or "better" in last_round(backend), backend)
    journal = next((house.folder / "learning" / "learning").glob("*/journal.jsonl"))
    told = [json.loads(line)["entry"] for line in journal.read_text().splitlines()]
    assert told[-1]["correction"] is None
    assert told[-1]["picture"].startswith(f"task {day.answered[0]} ")


def last_round(backend: Program) -> str:
    lines = [line for line in backend.talk.splitlines() if " project " in line]
    return lines[-1] if lines else ""
