"""Programs on loopback that a test starts, waits for and ends by their process id."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx2

_LOOK_EVERY = 0.2  # s
_TAIL = 3000  # characters of a log in an error


class Program:
    """A server in a process of its own, with its talk in a file."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], log: Path, health: str
    ) -> None:
        self._command = list(command)
        self._environment = dict(environment)
        self._log = log
        self._health = health  # an address that answers 200 when it is ready
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def talk(self) -> str:
        return self._log.read_text(errors="replace")

    def start(self, patience: float = 240.0) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=self._environment, stdout=log, stderr=subprocess.STDOUT
            )
        until = time.monotonic() + patience
        pause = threading.Event()
        while not _answers(self._health):
            assert self._process.poll() is None, f"it ended early:\n{self.talk[-_TAIL:]}"
            assert time.monotonic() < until, f"it did not start:\n{self.talk[-_TAIL:]}"
            pause.wait(_LOOK_EVERY)

    def kill(self) -> None:
        """As a crash would end it."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """Ask it to end; its exit code."""
        if self._process is None:
            return 0
        self._process.terminate()
        try:
            return self._process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


def environment_without(*prefixes: str) -> dict[str, str]:
    """This process's environment, less variables that would steer the program."""
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}


def _answers(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=5).is_success
    except httpx2.TransportError:
        return False
