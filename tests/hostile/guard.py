"""Watches a piece of code while it reads something hostile.

What it may not do: open, list, write or remove anything outside the given folders, connect, start
a process, take long, take much memory, or fail in any way but with an error of ours that says
which file or field is wrong.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from ovseg_annotate.errors import OvsegError

LONGEST_MESSAGE = 2500  # characters
_ROOT = Path(__file__).parents[2]
# Code is loaded when it is first needed; what a program is made of is no secret to it.
_CODE = tuple(
    str(Path(folder).resolve())
    for folder in (
        sys.prefix,
        sys.base_prefix,
        sysconfig.get_path("stdlib"),
        _ROOT / "ovseg_annotate",
        _ROOT / "labelstudio_backend",
        _ROOT / "napari_plugin",
        _ROOT / "tests",
    )
)
_DEVICES = ("/dev/null", "/dev/urandom", "/proc/self/", "/proc/cpuinfo", "/proc/meminfo", "/sys/")
_PATHS = frozenset(
    {"os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate",
     "os.chmod", "os.link", "os.symlink", "os.utime", "shutil.rmtree"}
)  # fmt: skip
_LISTINGS = frozenset({"os.listdir", "os.scandir"})
_NEVER = frozenset(
    {"socket.connect", "socket.sendto", "socket.getaddrinfo", "subprocess.Popen", "os.system",
     "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "urllib.Request", "pty.spawn"}
)  # fmt: skip


_CONNECTING = frozenset({"socket.connect", "socket.getaddrinfo"})


class TooSlow(BaseException):
    """The processor time is used up."""


@dataclass(frozen=True)
class Bounds:
    """What one input may cost."""

    seconds: float = 5.0  # of processor time: others may use the machine
    memory: int = 512 * 2**20  # bytes above what was in use before


@dataclass
class Watch:
    """What was seen while a guard was up."""

    folders: tuple[str, ...]
    server: tuple[str, int] | None = None
    broken: list[str] = field(default_factory=list)

    def seen(self, event: str, arguments: tuple[object, ...]) -> None:
        if event in _CONNECTING and self.server is not None and self.server in _pairs(arguments):
            return
        if event in _NEVER:
            self.broken.append(f"{event} {arguments[:2]!r}"[:300])
        elif event == "open":
            self._opened(arguments)
        elif event in _LISTINGS:
            self._check(event, arguments[0], is_written=False)
        elif event in _PATHS and not _is_in_an_open_folder(arguments):
            self._check(event, arguments[0], is_written=True)

    def _opened(self, arguments: tuple[object, ...]) -> None:
        path, mode, flags = arguments
        writes = bool(isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        self._check(f"open {mode}", path, is_written=writes)

    def _check(self, event: str, path: object, *, is_written: bool) -> None:
        if not isinstance(path, (str, bytes, os.PathLike)):
            return  # an open file
        where = os.path.realpath(os.fsdecode(path))
        allowed = self.folders if is_written else (*self.folders, *_CODE, *_DEVICES)
        if "__pycache__" in where or (not is_written and where in sys.path):
            return
        if not any(where == each or where.startswith(each.rstrip("/") + "/") for each in allowed):
            self.broken.append(f"{event} {where}")


def _is_in_an_open_folder(arguments: tuple[object, ...]) -> bool:
    """Whether a name counts from an open folder, which was looked at when it was opened."""
    return isinstance(arguments[-1], int) and arguments[-1] >= 0 and arguments[0] != ""


def _pairs(arguments: tuple[object, ...]) -> tuple[object, ...]:
    """Where an address may stand: as the second argument, or as the first two."""
    return arguments[1], arguments[:2]


_watching: list[Watch] = []
_hooked: list[bool] = []


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if _watching:
        watch = _watching[-1]
        _watching.clear()  # what looking itself does is not looked at
        try:
            watch.seen(event, arguments)
        finally:
            _watching.append(watch)


@contextmanager
def guarded(
    *folders: Path, bounds: Bounds | None = None, server: tuple[str, int] | None = None
) -> Iterator[None]:
    """Let a block read what is in the folders; an AssertionError says what else it did.

    It may ask `server`, by host and port, and nobody else.
    """
    bounds = bounds or Bounds()
    if not _hooked:
        sys.addaudithook(_hook)  # for good: hooks cannot be taken away
        _hooked.append(True)
    watch = Watch(tuple(str(each.resolve()) for each in folders), server)
    begun = time.process_time()
    with _limited(bounds), _peak_memory(bounds):
        _watching.append(watch)
        try:
            yield
        finally:
            _watching.clear()
    assert not watch.broken, watch.broken[:5]
    spent = time.process_time() - begun
    assert spent <= bounds.seconds, f"took {spent:.1f} s of processor time"


@contextmanager
def refusing(*names: str) -> Iterator[None]:
    """Let a block succeed, or fail with an error of ours that names one of these."""
    try:
        yield
    except OvsegError as error:
        message = str(error)
        assert message.strip(), "an error without a message"
        assert len(message) <= LONGEST_MESSAGE, f"{len(message)} characters: {message[:200]}"
        assert any(name in message for name in names), f"names none of {names}: {message[:300]}"
        cause: BaseException | None = error
        while cause is not None:
            assert not isinstance(cause, (MemoryError, AssertionError)), message[:300]
            cause = cause.__cause__


@contextmanager
def _limited(bounds: Bounds) -> Iterator[None]:
    """Stop the block when its time is up, and refuse it memory that would hurt the machine."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise TooSlow(f"more than {bounds.seconds:g} s of processor time")

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    before = signal.signal(signal.SIGVTALRM, stop)
    resource.setrlimit(resource.RLIMIT_DATA, (_status("VmData") + 4 * bounds.memory, hard))
    signal.setitimer(signal.ITIMER_VIRTUAL, bounds.seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
        signal.signal(signal.SIGVTALRM, before)


@contextmanager
def _peak_memory(bounds: Bounds) -> Iterator[None]:
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # begins a new peak
    before = _status("VmRSS")
    yield
    grown = _status("VmHWM") - before
    assert grown <= bounds.memory, f"took {grown / 2**20:.0f} MiB at once"


def _status(name: str) -> int:
    """Bytes of one line of the process's status."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"no {name}")
