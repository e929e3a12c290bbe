"""`ovseg-label-studio serve --learn`, killed over and over while people answer.

What must hold afterwards: what is asked again is answered the same; the journal reads whole and
says what Label Studio says; versions are whole, and the one in service is there.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeAlias

import httpx2
import pytest
from effort import Effort
from fake_label_studio import PROJECT, UID
from learning_desk import CONFIG, answered, label_studio
from loopback import free_port, listening
from soak.kills import leftovers_in, started, when
from soak.serve_driver import LOG

from labelstudio_backend.lessons import learning_folder
from labelstudio_backend.memory import memory_of
from labelstudio_backend.settings import Settings
from ovseg_annotate.learning_loop.journal import Journal
from ovseg_annotate.learning_loop.versions import Versions

DRIVER = Path(__file__).parent / "serve_driver.py"
TASKS = 12


Process: TypeAlias = subprocess.Popen[str]


@contextmanager
def served(label_studio_url: str, data: Path) -> Iterator[tuple[httpx2.Client, Process]]:
    port = free_port()
    with (
        started((DRIVER, label_studio_url, data, port, TASKS)) as process,
        httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
    ):

        def answers() -> bool:
            with suppress(httpx2.TransportError):
                return client.get("/health").status_code == 200
            return False

        ended = when(answers, process)
        assert not ended, process.stderr and process.stderr.read()
        yield client, process


def suggestions(client: httpx2.Client) -> object:
    """For the last task, without the ids that are new each time."""
    body = {
        "tasks": [{"id": TASKS, "data": {"image": f"/data/upload/3/{TASKS}.png"}}],
        "project": UID,
        "label_config": CONFIG,
        "extra_params": {"learn": True},
    }
    answer = client.post("/predict", json=body).json()
    for item in answer["results"][0]["result"]:
        item.pop("id")
    return answer


def settled(client: httpx2.Client, process: Process, log: Path) -> None:
    """Let rounds of learning follow one another until one has nothing to do."""

    def rounds() -> list[str]:
        return [line for line in log.read_text().splitlines() if f":project {PROJECT}: " in line]

    said = ""
    while "nothing has changed" not in said:
        before = len(rounds())
        client.post("/webhook", content=event("ANNOTATION_CREATED"))
        assert not when(lambda: len(rounds()) > before, process)  # noqa: B023  it is not kept
        said = rounds()[-1]


def event(action: str) -> bytes:
    return json.dumps({"action": action, "project": {"id": PROJECT}}).encode()


@pytest.mark.soak  # every start of a server takes seconds
@pytest.mark.timeout(900)
def test_learning_goes_on_and_answers_stay_the_same(tmp_path: Path, effort: Effort) -> None:
    chance = effort.chance("serve")
    fake = label_studio(TASKS)
    folder = learning_folder(tmp_path, Settings().label_studio_url, UID)
    with listening(fake.app) as url:
        for number in effort.numbers(short=1, long=6, seconds=30):
            with served(url, tmp_path) as (client, process):
                answered(fake, number + 1)
                client.post("/webhook", content=event("ANNOTATION_CREATED"))
                if chance.random() < 0.5:
                    client.post("/webhook", content=event("START_TRAINING"))
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=chance.random() * 0.5)  # a random moment of its work
                process.kill()

        # Nobody is killed any more: everything that was answered is learnt from.
        answered(fake, TASKS - 2, TASKS - 1)
        with served(url, tmp_path) as (client, process):
            client.post("/webhook", content=event("START_TRAINING"))
            settled(client, process, tmp_path / LOG)
            first = suggestions(client)
            process.kill()
        with served(url, tmp_path) as (client, _):
            assert suggestions(client) == first

    with Journal(folder) as journal:
        assert journal.warnings == ()
        held = {each.picture for each in journal.corrections()}
    assert held == {f"task {task} image" for task in fake.annotations}
    versions = Versions(folder)
    for name in versions.names:
        assert versions.get(name).lesson.concepts[0] == "thing"
    assert versions.current is not None
    assert fake.stored[TASKS]
    for path in leftovers_in(tmp_path):
        os.utime(path, (0, 0))  # some hours later
    memory_of(Settings(data=tmp_path))
    with Journal(folder):
        assert not leftovers_in(tmp_path)
    # A task may have suggestions of several versions, one after the other, and none twice.
    assert all(len(set(each)) == len(each) for each in fake.stored.values())
