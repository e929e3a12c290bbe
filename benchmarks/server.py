"""`ovseg serve` beside the session that it serves.

A real server process with the bundled model on the CPU, and a session in this process; each gets
two threads, and they are asked in turns over loopback.

- Other words on a picture of 1024 x 1024 px (a generated scene, seed 3) whose features are kept: a
  different phrase each time, so that no answer is known beforehand. Medians, and their difference;
  every answer is compared with the session's own, byte for byte.
- The way alone: the same answer packed, sent over loopback and unpacked, without any session.
- 16 clients, each with a token of its own, for MINUTES (the first argument, 5 by default); a fifth
  of all requests is hostile. How many answers differ from the session's own, how many requests had
  no answer within a minute, and how memory grew after a warm-up in which everything was asked once.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2
import numpy as np
import torch
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from loopback import listening  # noqa: E402

from ovseg_annotate.annotation import Annotation  # noqa: E402
from ovseg_annotate.datasets.scenes import SceneRules, SceneStyle, draw_scene  # noqa: E402
from ovseg_annotate.errors import OvsegError  # noqa: E402
from ovseg_annotate.geometry import Size  # noqa: E402
from ovseg_annotate.image import Image, from_array  # noqa: E402
from ovseg_annotate.remote import RemoteSession, connect  # noqa: E402
from ovseg_annotate.remote.address import Address  # noqa: E402
from ovseg_annotate.remote.connection import Ask, Connection  # noqa: E402
from ovseg_annotate.session import Session, open_session  # noqa: E402
from ovseg_annotate.vocabulary import Vocabulary  # noqa: E402
from ovseg_annotate.watch import Watch  # noqa: E402
from ovseg_annotate.web.retries import Patience  # noqa: E402
from ovseg_annotate.wire.answers import annotation_bytes, annotation_of  # noqa: E402

MODEL = "naclip@mini"
TURNS = 20
CLIENTS = 16
THREADS = "2"
HANG_SECONDS = 60.0
TOKENS = [f"benchmark-token-{number:04d}" for number in range(CLIENTS)]
PHRASES = ("cell nucleus", "dark round spot", "pink area", "glass slide")
COLOURS = ("red", "violet", "pale", "dark", "blue", "round", "long", "small", "thin", "bright")
ONCE = Patience(attempts=1)


def main(minutes: float = 5.0) -> None:
    torch.set_num_threads(int(THREADS))
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as (url, process):
        session = open_session(MODEL)
        report_other_words(session, url)
        report_clients(session, url, process, minutes)


def report_other_words(session: Session, url: str) -> None:
    picture = scene(1024, 3)
    with connect(Address(url, TOKENS[0])) as remote:
        remote.annotate(picture, Vocabulary.parse("nucleus"))
        session.annotate(picture, Vocabulary.parse("nucleus"))
        here, there, wrong = list[float](), list[float](), 0
        for turn in range(TURNS):
            phrase = f"{COLOURS[turn % 10]} {PHRASES[turn // 10]}"
            words = Vocabulary.parse(f"{phrase}; -glass")
            mine = timed(here, lambda words=words: session.annotate(picture, words))
            theirs = timed(there, lambda words=words: remote.annotate(picture, words))
            wrong += digest_of(mine) != digest_of(theirs)
    what = "server: other words on a kept picture, 1024 px"
    tell(f"{what}, in process", 1000 * float(np.median(here)), None, "ms")
    tell(f"{what}, over the server", 1000 * float(np.median(there)), None, "ms")
    tell(f"{what}, more", 1000 * float(np.median(there) - np.median(here)), 30, "ms")
    tell(f"{what}, answers that differ", wrong, 0, "answers")
    report_way(theirs)


def report_way(annotation: Annotation) -> None:
    """What remains of an answer when nothing has to be thought about."""

    async def answer(_: Request) -> Response:
        return Response(annotation_bytes(annotation))

    times: list[float] = []
    with listening(Starlette(routes=[Route("/annotate", answer, methods=["POST"])])) as url:
        connection = Connection(Address(url), ONCE, ONCE)
        for _ in range(TURNS):
            timed(times, lambda: annotation_of(connection.ask(Ask("POST", "/annotate")), "way"))
        connection.close()
    tell("server: the way of an answer alone, 1024 px", 1000 * float(np.median(times)), 30, "ms")


def report_clients(
    session: Session, url: str, process: subprocess.Popen[bytes], minutes: float
) -> None:
    pool = [scene(256, number) for number in range(8)]
    expected = {
        (number, phrase): digest_of(session.annotate(pool[number], Vocabulary.parse(phrase)))
        for number in range(len(pool))
        for phrase in PHRASES
    }
    clients = [Client(url, number, pool, expected) for number in range(CLIENTS)]
    for number, phrase in expected:
        clients[0].ask(number, phrase)
    in_parallel([lambda each=each: each.run(time.monotonic() + 20) for each in clients])
    warm, asked = resident(process), sum(each.requests for each in clients)
    begun = time.monotonic()
    in_parallel([lambda each=each: each.run(begun + 60 * minutes) for each in clients])
    growth = 100 * (resident(process) / warm - 1)
    what = f"server: {CLIENTS} clients, {(time.monotonic() - begun) / 60:.0f} min, 20 % hostile"
    tell(f"{what}, requests", sum(each.requests for each in clients) - asked, None, "")
    tell(f"{what}, wrong answers", sum(each.wrong for each in clients), 0, "answers")
    tell(f"{what}, without an answer", sum(each.hangs for each in clients), 0, "requests")
    tell(f"{what}, memory growth after warm-up", growth, 5, "%")
    for each in clients:
        each.close()


class Client:
    """One of many, with a token of its own."""

    def __init__(
        self, url: str, number: int, pool: list[Image], expected: dict[tuple[int, str], str]
    ) -> None:
        self._chance = random.Random(number)  # noqa: S311
        self._pool = pool
        self._expected = expected
        self._session: RemoteSession = connect(Address(url, TOKENS[number]))
        self._client = httpx2.Client(
            base_url=url,
            timeout=HANG_SECONDS,
            headers={"Authorization": f"Bearer {TOKENS[number]}"},
        )
        self.requests = self.wrong = self.hangs = 0

    def run(self, until: float) -> None:
        while time.monotonic() < until:
            self.requests += 1
            begun = time.monotonic()
            if self._chance.random() < 0.2:
                self._harm()
            else:
                self.ask(*self._chance.choice(list(self._expected)))
            self.hangs += time.monotonic() - begun > HANG_SECONDS

    def ask(self, number: int, phrase: str) -> None:
        try:
            found = self._session.annotate(self._pool[number], Vocabulary.parse(phrase))
        except OvsegError:
            self.hangs += 1  # busy for longer than a client waits
        else:
            self.wrong += digest_of(found) != self._expected[number, phrase]

    def close(self) -> None:
        self._session.close()
        self._client.close()

    def _harm(self) -> None:
        """One request that nobody should send; a refusal is the right answer."""
        noise = self._chance.randbytes(self._chance.randrange(1, 5000))
        digest = hashlib.sha256(noise).hexdigest()
        harms: tuple[Callable[[], object], ...] = (
            lambda: self._client.put(f"/images/{'0' * 64}", content=noise),
            lambda: self._noise_as_picture(noise, digest),
            lambda: self._client.post("/annotate", content=noise),
            lambda: self._client.post("/annotate", content=b"[" * 100_000),
            lambda: self._client.post("/annotate", json={"image": digest, "vocabulary": 7}),
            lambda: self._client.get(f"/{noise[:40].hex()}"),
            lambda: self._client.get("/model", headers={"Origin": "https://evil.example"}),
            lambda: self._client.get("/model", headers={"Authorization": "Bearer " + "x" * 99}),
            lambda: self._client.post("/images", json={"reference": "/etc/passwd"}),
            lambda: self._client.delete(f"/jobs/{digest}"),
            lambda: self._client.put(f"/lessons/{digest}", content=noise),
            self._leave,
        )
        with suppress(httpx2.TimeoutException, OvsegError):
            answer = self._chance.choice(harms)()
            # Whatever it is, it must not look like an answer to a question.
            is_taken = isinstance(answer, httpx2.Response) and answer.status_code == 200
            self.wrong += is_taken or getattr(answer, "status_code", 400) == 500

    def _noise_as_picture(self, noise: bytes, digest: str) -> httpx2.Response:
        self._client.put(f"/images/{digest}", content=noise)
        return self._client.post("/annotate", json={"image": digest, "vocabulary": "car"})

    def _leave(self) -> None:
        """Ask, and hang up before the answer."""
        words = Vocabulary.parse(self._chance.choice(PHRASES))
        looks = iter((False, True))
        watch = Watch(cancel=lambda: next(looks, True))
        self._session.annotate(self._chance.choice(self._pool), words, watch=watch)


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A server in a process of its own, ready to answer."""
    with listening(Starlette()) as unused:
        port = unused.rpartition(":")[2]  # free again as soon as the block ends
    tokens = folder / "tokens"
    tokens.write_text("\n".join(TOKENS))
    command = [sys.executable, "-m", "ovseg_annotate.cli", "serve", "--model", MODEL]
    command += ["--port", port, "--token-file", str(tokens), "--images", str(folder / "uploads")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": THREADS}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        while not is_ready(url):
            assert process.poll() is None
            threading.Event().wait(0.2)
        yield url, process
    finally:
        process.terminate()
        process.wait()


def is_ready(url: str) -> bool:
    try:
        return bool(httpx2.get(f"{url}/health").json()["model"] == "ready")
    except httpx2.TransportError:
        return False


def scene(side: int, seed: int) -> Image:
    return from_array(draw_scene(SceneRules(SceneStyle.MICROSCOPY, Size(side, side)), seed).pixels)


def timed(times: list[float], ask: Callable[[], Annotation]) -> Annotation:
    begun = time.perf_counter()
    found = ask()
    times.append(time.perf_counter() - begun)
    return found


def digest_of(annotation: Annotation) -> str:
    return hashlib.sha256(annotation_bytes(annotation)).hexdigest()


def in_parallel(calls: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def resident(process: subprocess.Popen[bytes]) -> int:
    """Memory of a process in kB (Linux)."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def tell(name: str, value: float, target: float | None, unit: str) -> None:
    reached = None if target is None else value <= target
    line = {"name": name, "value": value, "target": target, "unit": unit, "reached": reached}
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
