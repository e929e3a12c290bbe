"""`ovseg serve` in a process of its own, and `ovseg annotate --server` against it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from loopback import free_port
from PIL import Image as Pillow

from ovseg_annotate.datasets.scenes import SceneRules, SceneStyle, draw_scene
from ovseg_annotate.geometry import Size

ROOT = Path(__file__).parents[2]
OVSEG = (sys.executable, "-m", "ovseg_annotate.cli")
TOKEN = "correct-horse-battery-staple"  # noqa: S105
WORDS = "cell nucleus; dark spot @0.3; -glass slide"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems"),
]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OVSEG_SERVER_TOKEN": TOKEN}


class Serving:
    """A server that can be killed and started again at the same address."""

    def __init__(self, folder: Path) -> None:
        self._tokens = folder / "tokens"
        self._tokens.write_text(f"# of a test\n{TOKEN}\n")
        self._folder = folder
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.log = ""

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                *OVSEG, "serve", "--model", "naclip@mini", "--port", str(self._port),
                "--token-file", str(self._tokens), "--images", str(self._folder / "uploads"),
            ],
            env=environment(),
            stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.log += line
            if "is ready on" in line:
                # What is not read would fill the pipe and stop the server.
                self._reader = threading.Thread(target=self._read)
                self._reader.start()
                return
        raise AssertionError(f"the server ended: {self.log}")

    def end(self, number: signal.Signals) -> int:
        self._process.send_signal(number)
        code = self._process.wait(60)
        self.close()
        return code

    def close(self) -> None:
        """End what is left, if anything is."""
        self._process.kill()
        self._process.wait(20)
        self._reader.join(20)
        assert self._process.stderr is not None
        self._process.stderr.close()

    def answered(self) -> int:
        """Questions so far, in this life."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        text = httpx2.get(f"{self.url}/metrics", headers=headers, timeout=20).text
        name = 'ovseg_requests_total{route="/annotate",status="200"}'
        found = [line for line in text.splitlines() if line.startswith(name)]
        return int(found[0].rpartition(" ")[2]) if found else 0

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.log += line


@contextmanager
def serving(folder: Path) -> Iterator[Serving]:
    server = Serving(folder)
    server.start()
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(8):
        scene = draw_scene(SceneRules(SceneStyle.MICROSCOPY, Size(192, 256)), number)
        Pillow.fromarray(scene.pixels).save(folder / f"{number}.png")
    return folder


def annotate(pictures: Path, out: Path, *flags: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*OVSEG, "annotate", str(pictures), "--prompts", WORDS, "--out", str(out), *flags],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finished(process: subprocess.Popen[str]) -> str:
    told = process.communicate(timeout=240)[0]
    assert process.returncode == 0, told
    assert TOKEN not in told
    return told


def records(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((run / "records").rglob("*.json"))}


def test_records_of_a_server_are_those_of_this_machine_also_when_it_is_killed(
    pictures: Path, tmp_path: Path
) -> None:
    finished(annotate(pictures, tmp_path / "here"))
    with serving(tmp_path) as server:
        running = annotate(pictures, tmp_path / "there", "--server", server.url)
        looks = threading.Event()
        while server.answered() < 2:
            assert running.poll() is None
            looks.wait(0.02)
        assert server.end(signal.SIGKILL) == -signal.SIGKILL
        server.start()
        finished(running)
        log = server.log
        assert server.end(signal.SIGTERM) == -signal.SIGTERM
    here, there = records(tmp_path / "here"), records(tmp_path / "there")
    assert len(here) == 8
    assert here == there
    assert (tmp_path / "here/run.json").read_bytes() == (tmp_path / "there/run.json").read_bytes()
    assert TOKEN not in log + server.log


def test_a_server_that_is_not_there_is_said_at_once(pictures: Path, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    process = annotate(pictures, tmp_path / "out", "--server", url)
    told = " ".join(process.communicate(timeout=60)[0].split())
    assert process.returncode == 3
    assert f"cannot reach {url}" in told
    assert "is 'ovseg serve' running there?" in told


def test_a_wrong_token_and_another_model_are_refused(pictures: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("not-the-right-token")
    with serving(tmp_path) as server:
        flags = ("--server", server.url, "--server-token-file", str(wrong))
        told = annotate(pictures, tmp_path / "out", *flags).communicate(timeout=60)[0]
        assert "wants a token, and ours is not one of its" in " ".join(told.split())
        flags = ("--server", server.url, "--model", "sclip@mini")
        told = annotate(pictures, tmp_path / "out", *flags).communicate(timeout=60)[0]
        assert "the server runs naclip@mini, not sclip@mini" in " ".join(told.split())
