"""The server as a server: many clients, clients that leave, and the end."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from fake_image_host import PAT, FakeLabelStudio
from loopback import listening
from scripted_backend import (
    CONFIG,
    TYPED,
    Hold,
    Loaded,
    ScriptedSuggester,
    batch_body,
)
from suggesting import png_of
from waiting import wait_until

from labelstudio_backend.app import create_app
from labelstudio_backend.settings import Settings
from labelstudio_backend.webhooks import NotLearning
from ovseg_annotate.datasets.scenes import SceneRules, SceneStyle, draw_scene
from ovseg_annotate.geometry import Size
from ovseg_annotate.web.running import Server
from ovseg_annotate.web.running import listening as bound_to
from ovseg_annotate.web.work import WorkQueue

ROOT = Path(__file__).parents[2]


class Running:
    """A server in a thread, and clients that ask it at the same time."""

    def __init__(self, suggester: ScriptedSuggester, settings: Settings) -> None:
        self.work = WorkQueue[bytes](settings.workers, settings.queue)
        app = create_app(settings, suggester, Loaded(), NotLearning(), work=self.work)
        self.server = Server(app, self.work, settings.grace_seconds)
        self.bound = bound_to("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.bound.getsockname()[1]}"
        self.thread = threading.Thread(target=self.server.run, args=([self.bound],), daemon=True)
        self.clients = ThreadPoolExecutor(16)

    def predict(self, *tasks: int, timeout: float = 30) -> Future[httpx2.Response]:
        return self.clients.submit(
            httpx2.post, f"{self.url}/predict", json=batch_body(*tasks), timeout=timeout
        )

    def wait_until_queued(self, count: int) -> None:
        wait_until(lambda: self.work.depth == count)


@contextmanager
def running(suggester: ScriptedSuggester, settings: Settings | None = None) -> Iterator[Running]:
    server = Running(suggester, settings or Settings(grace_seconds=5))
    server.thread.start()
    try:
        yield server
    finally:
        server.server.should_exit = True
        server.clients.shutdown()
        server.thread.join(20)
        server.bound.close()
        assert not server.thread.is_alive()


@pytest.fixture
def hold() -> Iterator[Hold]:
    found = Hold()
    yield found
    found.released.set()


def test_health_and_setup_are_answered_while_predictions_are_in_work(hold: Hold) -> None:
    with running(ScriptedSuggester(hold), Settings(workers=3)) as server:
        answers = [server.predict(number) for number in range(8)]
        hold.wait_for(2)
        server.wait_until_queued(6)
        with httpx2.Client(base_url=server.url, timeout=5) as client:
            for _ in range(20):
                assert client.get("/health").json()["status"] == "UP"
            assert client.post("/setup", json={"schema": "<View/>"}).status_code == 200
            assert "ovseg_in_flight 2" in client.get("/metrics").text
            typed = batch_body(99) | {"params": {"context": {"result": [TYPED]}}}
            hurried = server.clients.submit(client.post, "/predict", json=typed)
            hold.wait_for(1)  # the third worker is kept for people
            hold.released.set()
            assert hurried.result().status_code == 200
        assert [answer.result().status_code for answer in answers] == [200] * 8


def test_when_the_queue_is_full_clients_are_asked_to_come_again(hold: Hold) -> None:
    with running(ScriptedSuggester(hold), Settings(workers=1, queue=2)) as server:
        accepted = [server.predict(1)]
        hold.wait_for(1)
        accepted += [server.predict(2), server.predict(3)]
        server.wait_until_queued(2)
        refused = server.predict(4).result()
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        assert "1 requests are in work and 2 wait" in refused.json()["detail"]
        hold.released.set()
        assert [each.result().status_code for each in accepted] == [200] * 3


def test_somebody_who_left_and_asks_again_joins_what_is_in_work(hold: Hold) -> None:
    suggester = ScriptedSuggester(hold)
    with running(suggester, Settings(workers=2)) as server:
        with pytest.raises(httpx2.ReadTimeout):
            server.predict(1, 2, timeout=0.3).result()
        hold.wait_for(1)
        again = [server.predict(1, 2) for _ in range(3)]
        other = server.predict(3)
        server.wait_until_queued(1)  # only the other one: batches have one of two workers
        wait_until(lambda: server.work.joined == 3)
        hold.released.set()
        assert {len(each.result().json()["results"]) for each in again} == {2}
        assert other.result().status_code == 200
    assert [len(each.tasks) for each in suggester.asked] == [2, 1]


def test_at_the_end_what_is_in_work_is_finished_and_what_waits_is_refused(hold: Hold) -> None:
    with running(ScriptedSuggester(hold), Settings(workers=1, grace_seconds=10)) as server:
        in_work = server.predict(1)
        hold.wait_for(1)
        waiting = server.predict(2)
        server.wait_until_queued(1)
        server.server.should_exit = True
        refused = waiting.result()
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "30")
        hold.released.set()
        assert in_work.result().status_code == 200
        server.thread.join(20)
        with pytest.raises(httpx2.ConnectError):
            httpx2.get(f"{server.url}/health")


def test_work_that_outlasts_the_grace_is_told_to_stop_and_answered(hold: Hold) -> None:
    with running(ScriptedSuggester(hold), Settings(workers=1, grace_seconds=0.2)) as server:
        in_work = server.predict(1)
        hold.wait_for(1)
        began = time.monotonic()
        server.server.should_exit = True
        assert in_work.result().status_code == 200  # it stopped early and said what it had
        server.thread.join(20)
        assert time.monotonic() - began < 10


def test_work_that_cannot_be_stopped_does_not_keep_the_server(hold: Hold) -> None:
    deaf = threading.Event()
    suggester = ScriptedSuggester(lambda *_: (hold._came.release(), deaf.wait(60))[0])
    with running(suggester, Settings(workers=1, grace_seconds=0.1)) as server:
        in_work = server.predict(1)
        hold.wait_for(1)
        server.server.should_exit = True
        refused = in_work.result()
        assert refused.status_code == 503
        assert "before this was finished" in refused.json()["detail"]
    deaf.set()


def test_a_client_that_sends_half_a_request_disturbs_nobody(hold: Hold) -> None:
    hold.released.set()
    suggester = ScriptedSuggester(hold)
    app = create_app(Settings(), suggester, Loaded(), NotLearning())
    with listening(app) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as half:
            half.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\n{")
            assert httpx2.get(f"{url}/health").status_code == 200
        assert httpx2.post(f"{url}/predict", json=batch_body(1)).status_code == 200
    assert len(suggester.asked) == 1


SERVES = """
import os
from labelstudio_backend.serving import serve
from labelstudio_backend.settings import read_settings
from labelstudio_backend.suggest_options import SuggestOptions
from ovseg_annotate.cli.sessions import SessionOptions

serve(read_settings(os.environ, {}), SessionOptions(offline=True), SuggestOptions())
"""
SECRETS = {
    "LABEL_STUDIO_API_KEY": PAT,
    "BASIC_AUTH_USER": "user-77aa",
    "BASIC_AUTH_PASS": "pass-c0de",
    "WEBHOOK_TOKEN": "hook-beef",
}


def microscopy() -> bytes:
    scene = draw_scene(SceneRules(SceneStyle.MICROSCOPY, Size(192, 192), object_scale=2.0), 3)
    return png_of(scene.pixels)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")
def test_the_whole_server_fetches_answers_and_ends_on_a_signal(tmp_path: Path) -> None:
    """With the bundled model, in a process of its own, as the command line runs it."""
    with listening(FakeLabelStudio(picture=microscopy()).app()) as studio:
        where = {"PYTHONPATH": str(ROOT), "PORT": "0", "LABEL_STUDIO_URL": studio}
        where["OVSEG_DATA"] = str(tmp_path)
        process = subprocess.Popen(
            [sys.executable, "-c", SERVES],
            env={**os.environ, **SECRETS, **where},
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            url, log = started(process)
            health = httpx2.get(f"{url}/health").json()
            assert (health["status"], health["model"]) == ("UP", "ready")
            with httpx2.Client(base_url=url, auth=("user-77aa", "pass-c0de"), timeout=60) as client:
                config = CONFIG.replace('predicted_values="a red car"', 'prompt="cell nucleus"')
                body = batch_body(1, 2) | {"label_config": config}
                body["tasks"][0]["data"]["image"] = "/data/upload/1/good.png"
                body["tasks"][1]["data"]["image"] = "/data/upload/1/missing.png"
                setup = client.post("/setup", json={"schema": config, "project": "1.2"})
                found, missing = client.post("/predict", json=body).json()["results"]
            process.send_signal(signal.SIGTERM)
            log += process.communicate(timeout=60)[1]
        finally:
            process.kill()
            process.communicate()
    assert found["result"]
    assert found["model_version"] == setup.json()["model_version"]
    assert missing == []
    assert process.returncode == -signal.SIGTERM
    assert "task 2 has no suggestion" in log
    assert not [secret for secret in SECRETS.values() if secret in log]


def started(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Wait until the weights are there; gives the address and what was written so far."""
    assert process.stderr is not None
    log = ""
    for line in process.stderr:
        log += line
        if "is ready on" in line:
            found = re.search(r"listening on (http://\S+)", log)
            assert found is not None, log
            return found[1], log
    raise AssertionError(f"the server ended: {log}")
