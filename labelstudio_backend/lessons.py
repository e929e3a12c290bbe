"""What each project's corrections have taught the model: the version that is in service there."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ovseg_annotate.learning_loop.journal import project_folder
from ovseg_annotate.learning_loop.versions import IN_SERVICE, Versions
from ovseg_annotate.lessons.lesson import Lesson

LEARNING = "learning"  # folder of all projects that are learnt from
_KEPT = 64  # projects


class Lessons(Protocol):
    """Who knows what is in service."""

    def of(self, project: str) -> Lesson | None:
        """The lesson of a project, by the name that Label Studio gives it to backends."""


class NoLessons:
    """The model as it came, in every project."""

    def of(self, project: str) -> Lesson | None:
        return None


@dataclass(frozen=True, slots=True)
class _Read:
    stamp: tuple[int, int]
    lesson: Lesson | None


class KeptLessons:
    """Reads what is in service whenever that changed, whoever changed it; safe to share."""

    def __init__(self, data: Path, server: str) -> None:
        self._data = data
        self._server = server
        self._read: OrderedDict[str, _Read] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, project: str) -> Lesson | None:
        if not project:
            return None
        folder = learning_folder(self._data, self._server, project)
        try:
            status = (folder / IN_SERVICE).stat()
        except FileNotFoundError:
            return None
        stamp = (status.st_mtime_ns, status.st_ino)
        with self._lock:
            known = self._read.get(project)
            if known is None or known.stamp != stamp:
                version = Versions(folder).current
                known = _Read(stamp, None if version is None else version.lesson)
            self._read[project] = known
            self._read.move_to_end(project)
            if len(self._read) > _KEPT:
                self._read.popitem(last=False)
            return known.lesson


def learning_folder(data: Path, server: str, project: str) -> Path:
    """Where the journal and the versions of a project lie."""
    return project_folder(data / LEARNING, f"{project} at {server}")
