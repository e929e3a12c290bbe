"""The Label Studio backend beside the session that it serves.

A real server process with the bundled model on the CPU; it and the session get two threads each.
Pictures come from a small stand-in for Label Studio over loopback: one generated scene of 1024 x
1024 px, shifted by a different number of pixels each time (seed 3), so that no answer is known
beforehand.

- /predict over Session.annotate and its polygons on the same picture, each in its own process, in
  turns; the 95th percentile of each.
- Typed words on a picture whose features are kept: another phrase each time.
- /health while 8 predictions are in work.
- 8 clients for MINUTES (the first argument, 5 by default), two projects, a quarter of all requests
  hostile, a tenth typed words: how many got no answer or one with labels of the other project, and
  how memory grew. Before that, the warm-up: both projects ask for all 40 pictures, and words are
  typed on each, so that every cache holds what it may or what there is.
- Every prediction of all of the above before the Label Studio SDK.
- 1 000 tasks pushed with kill -9 at a random moment (seed 0) and pushed again.
"""

from __future__ import annotations

import io
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import torch
from PIL import Image as Pillow
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from fake_label_studio import FakeLabelStudio  # noqa: E402
from loopback import listening  # noqa: E402

from labelstudio_backend.config_printer import LayoutOptions, labeling_config  # noqa: E402
from labelstudio_backend.suggest_options import SuggestOptions  # noqa: E402
from ovseg_annotate.datasets.scenes import SceneRules, SceneStyle, draw_scene  # noqa: E402
from ovseg_annotate.geometry import Size  # noqa: E402
from ovseg_annotate.image import image_of_bytes  # noqa: E402
from ovseg_annotate.session import open_session  # noqa: E402
from ovseg_annotate.vocabulary import Vocabulary  # noqa: E402

SIDE = 1024  # px
PREDICTIONS = 10  # each of a picture that neither side has seen
RUNS = 20
MINUTES = 5.0
THREADS = 2
POOL = range(200, 240)  # pictures of the 8 clients
PHRASES = ("round nucleus", "dark nucleus", "nucleus")
WORDS = Vocabulary.parse("nucleus: cell nucleus; bacterium; -tissue; -dark background")
OTHER_WORDS = Vocabulary.parse("bead: fluorescent bead; filament")
CONFIG = labeling_config(WORDS, LayoutOptions())
OTHER_CONFIG = labeling_config(OTHER_WORDS, LayoutOptions(shapes=("brush",)))
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
    "OMP_NUM_THREADS": str(THREADS),
}
SDK_PYTHON = os.environ.get(
    "OVSEG_LABEL_STUDIO_PYTHON", str(ROOT / ".venv-label-studio/bin/python")
)
ORACLE = ROOT / "tests" / "formats" / "sdk_oracle.py"
PUSH = ROOT / "tests" / "labelstudio_backend" / "push_driver.py"

# Bodies that no client of ours sends.
HOSTILE: tuple[Callable[[httpx2.Client], httpx2.Response], ...] = (
    lambda client: client.post("/predict", content=b"{not json"),
    lambda client: client.post("/predict", json={"tasks": "all of them", "label_config": CONFIG}),
    lambda client: client.post("/predict", json={"tasks": [], "label_config": "<View><Image"}),
    lambda client: client.post("/setup", content=b"[" * 100_000),
    lambda client: client.post("/webhook", json={"action": None, "project": {"id": "x"}}),
    lambda client: client.get("/no/such/route"),
    lambda client: client.post(
        "/predict", json={**body(0), "tasks": [{"id": 1, "data": {"image": "file:///etc/passwd"}}]}
    ),
)


def main() -> None:
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else MINUTES
    pictures = Pictures()
    with listening(pictures.app) as url, served(url) as (client, process):
        produced = report_predict(client, pictures)
        produced += report_words(client)
        report_health(client)
        produced += report_clients(client, process, minutes)
    report_validity(produced)
    report_push()


class Pictures:
    """A stand-in for Label Studio's uploads: picture number n is the scene, n px to the side."""

    def __init__(self) -> None:
        rules = SceneRules(SceneStyle.MICROSCOPY, Size(SIDE, SIDE), object_scale=2.0)
        self._pixels = draw_scene(rules, 3).pixels
        self._files: dict[int, bytes] = {}

    def png(self, number: int) -> bytes:
        """A file, as it lies in a folder of uploads: nobody's answer waits until it is made."""
        if number not in self._files:
            file = io.BytesIO()
            moved = np.ascontiguousarray(np.roll(self._pixels, number, axis=1))
            Pillow.fromarray(moved).save(file, "PNG", compress_level=1)
            self._files[number] = file.getvalue()
        return self._files[number]

    @property
    def app(self) -> Starlette:
        def answer(request: Request) -> Response:
            return Response(self.png(request.path_params["number"]), media_type="image/png")

        return Starlette(routes=[Route("/data/upload/1/{number:int}.png", answer)])


def body(number: int, config: str = CONFIG, project: str = "1.1") -> dict[str, Any]:
    task = {"id": number + 1, "data": {"image": f"/data/upload/1/{number}.png"}}
    return {"tasks": [task], "project": project, "label_config": config, "params": {}}


def typed(number: int, text: str) -> dict[str, Any]:
    mark = {"type": "textarea", "from_name": "prompt", "to_name": "image"}
    context = {"result": [{**mark, "value": {"text": [text]}}]}
    return {**body(number), "params": {"context": context}}


def report_predict(client: httpx2.Client, pictures: Pictures) -> list[dict[str, Any]]:
    torch.set_num_threads(THREADS)
    session = open_session("naclip@mini", device="cpu")
    options = SuggestOptions()
    alone, asked, produced = [], [], []
    for number in range(PREDICTIONS + 1):
        image = image_of_bytes(pictures.png(number), "picture")
        begun = time.perf_counter()
        session.annotate(image, WORDS, options.annotate).regions(options.regions)
        alone.append(time.perf_counter() - begun)
        spent, answer = timed(lambda number=number: client.post("/predict", json=body(number)))
        asked.append(spent)
        produced += answer.json()["results"]
    ratio = percentile(asked[1:], 95) / percentile(alone[1:], 95)  # the first ones warm up
    tell(f"Label Studio: /predict p95 over the session alone, {SIDE} px, polygons", ratio, 1.1, "x")
    return produced


def report_words(client: httpx2.Client) -> list[dict[str, Any]]:
    times, produced = [], []
    for run in range(RUNS + 1):
        question = typed(0, f"round nucleus number {run}")
        spent, answer = timed(lambda question=question: client.post("/predict", json=question))
        times.append(spent)
        produced += answer.json()["results"]
    name = f"Label Studio: typed words on kept features, {SIDE} px, p95"
    tell(name, 1000 * percentile(times[1:], 95), 300, "ms")
    return produced


def report_health(client: httpx2.Client) -> None:
    times: list[float] = []
    with ThreadPoolExecutor(8) as pool:
        under_way = [
            pool.submit(client.post, "/predict", json=body(100 + number)) for number in range(8)
        ]
        while not all(future.done() for future in under_way):
            times.append(timed(lambda: client.get("/health"))[0])
    tell(
        "Label Studio: /health with 8 predictions in work, p99",
        1000 * percentile(times, 99),
        100,
        "ms",
    )


def report_clients(
    client: httpx2.Client, process: subprocess.Popen[bytes], minutes: float
) -> list[dict[str, Any]]:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: warm_up(client, number), POOL))
    warm = resident(process)
    clients = [Client(client, number) for number in range(8)]
    begun, end = time.monotonic(), time.monotonic() + 60 * minutes
    threads = [threading.Thread(target=each.run, args=(end,)) for each in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    growth = 100 * (resident(process) / warm - 1)
    requests = sum(each.requests for each in clients)
    what = f"Label Studio: 8 clients, {(time.monotonic() - begun) / 60:.0f} min"
    tell(f"{what}, requests", requests, None, "")
    tell(f"{what}, unanswered", sum(each.unanswered for each in clients), 0, "requests")
    tell(f"{what}, answers of the wrong project", sum(each.wrong for each in clients), 0, "answers")
    tell(f"{what}, memory growth after warm-up", growth, 5, "%")
    return [answer for each in clients for answer in each.produced]


def warm_up(client: httpx2.Client, number: int) -> None:
    """Ask whatever the clients will ask of a picture."""
    client.post("/predict", json=body(number, OTHER_CONFIG, "2.2"))
    for phrase in PHRASES:
        client.post("/predict", json=typed(number, phrase))
        client.post("/predict", json=body(number))


class Client:
    """One of many; every other one is of the second project."""

    def __init__(self, client: httpx2.Client, number: int) -> None:
        self._client = client
        self._chance = random.Random(number)  # noqa: S311
        self._is_other = number % 2 == 1
        self.requests = self.unanswered = self.wrong = 0
        self.produced: list[dict[str, Any]] = []

    def run(self, end: float) -> None:
        while time.monotonic() < end:
            self.requests += 1
            try:
                kind = self._chance.random()
                if kind < 0.25:
                    answer = self._chance.choice(HOSTILE)(self._client)
                    self.unanswered += answer.status_code >= 500
                elif kind < 0.35:
                    self._type()
                else:
                    self._ask()
            except httpx2.TransportError:
                self.unanswered += 1

    def _ask(self) -> None:
        config = OTHER_CONFIG if self._is_other else CONFIG
        project = "2.2" if self._is_other else "1.1"
        self._take(body(self._chance.choice(POOL), config, project), self._is_other)

    def _type(self) -> None:
        self._take(typed(self._chance.choice(POOL), self._chance.choice(PHRASES)), is_other=False)

    def _take(self, question: dict[str, Any], is_other: bool) -> None:  # noqa: FBT001
        answer = self._client.post("/predict", json=question)
        if answer.status_code == httpx2.codes.SERVICE_UNAVAILABLE:
            return  # too many at a time: it says so, and that is an answer
        if answer.status_code != httpx2.codes.OK:
            self.unanswered += 1
            return
        (prediction,) = answer.json()["results"]
        mine = {"brush"} if is_other else {"polygon"}
        self.wrong += not {region["from_name"] for region in prediction["result"]} <= mine
        if len(self.produced) < 20:
            self.produced.append(prediction)


def report_validity(produced: list[dict[str, Any]]) -> None:
    projects: dict[str, list[dict[str, Any]]] = {CONFIG: [], OTHER_CONFIG: []}
    for prediction in produced:
        is_other = any(region["from_name"] == "brush" for region in prediction["result"])
        projects[OTHER_CONFIG if is_other else CONFIG].append(prediction)
    valid = 0
    with tempfile.TemporaryDirectory() as folder:
        question = Path(folder) / "projects.json"
        parts = [
            {"config": config, "tasks": [{"predictions": [prediction]}]}
            for config, predictions in projects.items()
            for prediction in predictions
        ]
        question.write_text(json.dumps(parts))
        command = [SDK_PYTHON, str(ORACLE), "validate", str(question)]
        done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, check=True)
        valid = sum(errors == [] for errors in json.loads(done.stdout))
    share = 100 * valid / len(produced)
    name = f"Label Studio: of {len(produced)} predictions, valid before the SDK"
    tell(name, share, 100, "%", at_least=True)


def report_push() -> None:
    """Kill a push of 1 000 tasks while it runs, push again, and count."""
    fake = FakeLabelStudio(1000)
    moment = fake.when_stored(random.Random(0).randint(50, 950))  # noqa: S311
    with tempfile.TemporaryDirectory() as folder, listening(fake.app) as url:
        command = [sys.executable, str(PUSH), url, str(Path(folder) / "journal.sqlite")]
        killed = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
        assert moment.wait(600)
        killed.kill()
        killed.wait()
        subprocess.run(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, check=True)
    wrong = len(fake.doubled) + 1000 - len(fake.stored)
    tell("Label Studio: 1000 tasks, kill -9, pushed again: lost or doubled", wrong, 0, "tasks")


@contextmanager
def served(studio: str) -> Iterator[tuple[httpx2.Client, subprocess.Popen[bytes]]]:
    """A backend in a process of its own, ready to answer."""
    with listening(Starlette()) as unused:
        port = unused.rpartition(":")[2]  # free again as soon as the block ends
    environment = {**ENVIRONMENT, "LABEL_STUDIO_URL": studio, "LABEL_STUDIO_API_KEY": "plain"}
    command = [sys.executable, "-m", "labelstudio_backend", "serve", "--port", port]
    with (
        tempfile.TemporaryDirectory() as data,
        httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=600) as client,
    ):
        process = subprocess.Popen(
            [*command, "--data", data], env=environment, stderr=subprocess.DEVNULL
        )
        while not is_ready(client):
            threading.Event().wait(0.2)
        try:
            yield client, process
        finally:
            process.terminate()
            process.wait()


def is_ready(client: httpx2.Client) -> bool:
    try:
        return bool(client.get("/health").json()["model"] == "ready")
    except httpx2.TransportError:
        return False


def resident(process: subprocess.Popen[bytes]) -> int:
    """Memory of a process in kB (Linux)."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def timed(ask: Callable[[], httpx2.Response]) -> tuple[float, httpx2.Response]:
    begun = time.perf_counter()
    answer = ask()
    return time.perf_counter() - begun, answer


def percentile(values: list[float], share: float) -> float:
    return float(np.percentile(values, share))


def tell(
    name: str, value: float, target: float | None, unit: str, *, at_least: bool = False
) -> None:
    reached = None if target is None else (value >= target if at_least else value <= target)
    line = {"name": name, "value": value, "target": target, "unit": unit, "reached": reached}
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
