"""Label Studio, the backend and the proxy between them, under one roof."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from end_to_end.label_studio.pictures import Picture
from end_to_end.label_studio.processes import Program, environment_without
from end_to_end.label_studio.real_server import RealServer
from end_to_end.label_studio.recording_proxy import RecordingProxy, StallWatch
from loopback import free_port, listening

USER, PASSWORD, WEBHOOK_TOKEN = "ovseg", "a password", "a-secret-of-the-webhook"
_POLL_EVERY = 0.2  # s


@dataclass
class House:
    """Everything that runs, as one user sees it."""

    studio: RealServer
    backend: Program
    backend_url: str
    proxy: RecordingProxy
    proxy_url: str  # where Label Studio finds the backend
    environment: Mapping[str, str]  # of the backend and of its command line
    folder: Path

    def command(self, *arguments: str) -> subprocess.Popen[str]:
        """Begin a command of `ovseg-label-studio`."""
        return subprocess.Popen(
            [sys.executable, "-m", "labelstudio_backend", *arguments],
            env=dict(self.environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> str:
        """What a command writes to stdout."""
        process = self.command(*arguments)
        answer, talk = process.communicate(timeout=300)
        assert process.returncode == 0, talk
        return answer

    def project(self, title: str, config: str, pictures: tuple[Picture, ...]) -> Project:
        """A project with uploaded pictures, in their order."""
        body = {"title": title, "label_config": config}
        number = self.studio.rest.post("/api/projects/", body).get("id").whole()
        for picture in pictures:
            self.studio.upload(number, picture.name, picture.data)
        return Project(self, number, config, pictures)

    def ask(self, path: str, body: object, **changes: Any) -> httpx2.Response:
        """Ask the backend itself, as Label Studio would."""
        given = {"auth": (USER, PASSWORD), "timeout": 200, **changes}
        return httpx2.post(self.backend_url + path, json=body, **given)


@dataclass
class Project:
    house: House
    number: int
    config: str
    pictures: tuple[Picture, ...]

    def tasks(self) -> list[dict[str, Any]]:
        """All tasks with their predictions, by id."""
        query = {"project": self.number, "page_size": 500, "fields": "all"}
        found: Any = self.house.studio.rest.get("/api/tasks", **query).get("tasks").value
        return sorted(found, key=lambda task: int(task["id"]))

    def picture_of(self, task: Mapping[str, Any]) -> Picture:
        (picture,) = (each for each in self.pictures if task["data"]["image"].endswith(each.name))
        return picture

    def predictions(self) -> list[dict[str, Any]]:
        found: Any = self.house.studio.rest.get("/api/predictions/", project=self.number).value
        return sorted(found, key=lambda prediction: int(prediction["task"]))

    def backend(self) -> dict[str, Any]:
        found: Any = self.house.studio.rest.get("/api/ml/", project=self.number).value
        return dict(found[0])

    def retrieve(self) -> None:
        """The action "Retrieve predictions" for all tasks."""
        everything = {"all": True, "excluded": []}
        self.house.studio.rest.post(
            f"/api/dm/actions?id=retrieve_tasks_predictions&project={self.number}",
            {"project": str(self.number), "selectedItems": everything},
        )

    def interactive(self, task: int, *marks: Mapping[str, Any]) -> dict[str, Any]:
        """What the browser sends for typed words and smart tools."""
        found: Any = self.house.studio.rest.post(
            f"/api/ml/{self.backend()['id']}/interactive-annotating",
            {"task": task, "context": {"result": list(marks)}},
        ).value
        return dict(found)


@dataclass
class HealthPolls:
    """How long /health took while something else went on, less what the machine added."""

    seconds: list[float] = field(default_factory=list)
    failures: int = 0


@contextmanager
def health_polled(house: House) -> Iterator[HealthPolls]:
    polls, over = HealthPolls(), threading.Event()

    def poll() -> None:
        with httpx2.Client(timeout=30) as client:
            while not over.wait(_POLL_EVERY):
                begun = time.monotonic()
                try:
                    polls.failures += not client.get(f"{house.backend_url}/health").is_success
                except httpx2.TransportError:
                    polls.failures += 1
                spent = time.monotonic() - begun
                polls.seconds.append(spent - 4 * house.proxy.stalls.since(begun))

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        yield polls
    finally:
        over.set()
        thread.join()


@contextmanager
def opened_house(python: Path, folder: Path) -> Iterator[House]:
    """Start everything, and end it by its process ids."""
    studio = RealServer(python, folder)
    stalls = StallWatch()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    try:
        studio.start()
        environment = {
            **environment_without("LABEL_STUDIO_", "BASIC_AUTH_", "OVSEG_"),
            "LABEL_STUDIO_URL": studio.url,
            "LABEL_STUDIO_API_KEY": studio.key,
            "BASIC_AUTH_USER": USER,
            "BASIC_AUTH_PASS": PASSWORD,
            "WEBHOOK_TOKEN": WEBHOOK_TOKEN,
            "XDG_STATE_HOME": str(folder / "state"),
            "OMP_NUM_THREADS": "1",
        }
        command = [sys.executable, "-m", "labelstudio_backend", "serve", "--port", str(port)]
        backend = Program(command, environment, folder / "backend.log", f"{url}/health")
        proxy = RecordingProxy(url, stalls)
        backend.start()
        with listening(proxy.app) as proxy_url:
            try:
                yield House(studio, backend, url, proxy, proxy_url, environment, folder)
            finally:
                # uvicorn finishes its work and then ends as SIGTERM would have ended it.
                assert backend.stop() in (0, -signal.SIGTERM), backend.talk
    finally:
        studio.stop()
        stalls.stop()
