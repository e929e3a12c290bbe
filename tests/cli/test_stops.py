"""A run that is stopped or killed goes on with the same command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from annotated_samples import picture_file

from ovseg_annotate.run_folder import RunReader
from ovseg_annotate.whole_files import TEMPORARY_PREFIX

ROOT = Path(__file__).parents[2]
DRIVEN = Path(__file__).parent / "fake_annotator.py"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")


class DrivenRun:
    """A run in a process of its own that waits before each picture until it is told to go on."""

    def __init__(self, pictures: Path, out: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(DRIVEN), str(pictures), str(out)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def next_picture(self) -> str:
        """Wait until a picture is about to be annotated."""
        for line in _opened(self.process.stdout):
            document = json.loads(line)
            if "next" in document:
                return str(document["next"])
        raise AssertionError(f"the run ended early: {_opened(self.process.stderr).read()}")

    def go_on(self) -> None:
        stdin = _opened(self.process.stdin)
        stdin.write("\n")
        stdin.flush()

    def wait_for_notice(self) -> None:
        assert "stopping as soon as" in self.line_of_talk("stopping")

    def line_of_talk(self, start: str) -> str:
        for line in _opened(self.process.stderr):
            if line.startswith(start):
                return line
        raise AssertionError(f"nothing was said that starts with {start!r}")

    def end(self) -> tuple[int, str]:
        _, talk = self.process.communicate("\n" * 50, timeout=60)
        return self.process.returncode, talk


def _opened(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(4):
        picture_file(tmp_path / "photos" / f"{number}.png")
    return tmp_path / "photos"


@pytest.fixture
def run(photos: Path, tmp_path: Path) -> Iterator[DrivenRun]:
    driven = DrivenRun(photos, tmp_path / "labels")
    yield driven
    driven.process.kill()
    driven.process.communicate()


def contents(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (out / "records").glob("*.json")}


def test_after_kill_9_the_same_command_does_only_the_rest(
    run: DrivenRun, photos: Path, tmp_path: Path
) -> None:
    for _ in range(2):
        run.next_picture()
        run.go_on()
    assert run.next_picture() == "2.png"
    run.process.kill()
    run.process.wait()
    out = tmp_path / "labels"
    before = contents(out)
    assert sorted(before) == ["0.png.json", "1.png.json"]

    again = DrivenRun(photos, out)
    assert again.next_picture() == "2.png"
    code, _ = again.end()
    assert code == 0
    after = contents(out)
    assert len(after) == 4
    assert {name: after[name] for name in before} == before
    assert len(list(RunReader(out).records())) == 4
    assert not list(out.rglob(f"{TEMPORARY_PREFIX}*"))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_keeps_what_is_finished_and_says_how_to_go_on(
    run: DrivenRun, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    run.next_picture()
    run.go_on()
    run.next_picture()
    run.process.send_signal(number)
    run.wait_for_notice()
    ended, talk = run.end()
    assert ended == code
    assert "The same command goes on from here" in talk
    assert len(contents(tmp_path / "labels")) == 1


def test_a_second_ctrl_c_stops_at_once(run: DrivenRun, tmp_path: Path) -> None:
    run.next_picture()
    run.process.send_signal(signal.SIGINT)
    run.wait_for_notice()
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(timeout=60) == -signal.SIGINT
    assert contents(tmp_path / "labels") == {}


def test_two_runs_at_one_folder_are_refused_by_process_id(
    run: DrivenRun, photos: Path, tmp_path: Path
) -> None:
    run.next_picture()
    second = DrivenRun(photos, tmp_path / "labels")
    code, talk = second.end()
    assert code != 0
    assert f"process {run.process.pid} is working" in talk
