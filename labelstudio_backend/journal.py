"""What a push did so far, in a small database that survives kill -9 and a power cut.

Label Studio itself is the truth about which predictions are stored. The journal adds what it cannot
tell: which tasks were being sent when a push died, and why tasks failed. So it stays small.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from ovseg_annotate.errors import RunError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS tasks (
    id INTEGER PRIMARY KEY,
    failure TEXT  -- NULL: being sent, whether it arrived is unknown
) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True)
class Failure:
    """A task without a prediction, and why."""

    task: int
    reason: str


class Journal:
    """The journal of one project and one model version; one process at a time holds it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._database = _opened(path)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def sending(self, task: int) -> None:
        """Write down, before it is sent, that a prediction for the task may arrive."""
        self._do("REPLACE INTO tasks VALUES (?, NULL)", task)

    def settled(self, task: int) -> None:
        """Label Studio holds the prediction."""
        self._do("DELETE FROM tasks WHERE id = ?", task)

    def failed(self, task: int, reason: str) -> None:
        self._do("REPLACE INTO tasks VALUES (?, ?)", task, reason)

    def forget_failures(self) -> None:
        """All of them are about to be tried again."""
        self._do("DELETE FROM tasks WHERE failure IS NOT NULL")

    def in_doubt(self) -> frozenset[int]:
        """Tasks that were being sent when a push ended without a word."""
        return frozenset(row[0] for row in self._rows("SELECT id FROM tasks WHERE failure IS NULL"))

    def failures(self, limit: int) -> tuple[Failure, ...]:
        """The first ones, by task."""
        rows = self._rows(
            "SELECT id, failure FROM tasks WHERE failure IS NOT NULL ORDER BY id LIMIT ?", limit
        )
        return tuple(Failure(*row) for row in rows)

    def _do(self, command: str, *values: object) -> None:
        try:
            with self._lock, self._database:
                self._database.execute(command, values)
        except sqlite3.OperationalError as error:
            raise RunError(
                f"cannot write to the journal {self.path}: {error}. Free some space and give the "
                "command again: what Label Studio has stored is not sent twice"
            ) from error

    def _rows(self, question: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._database.execute(question, values).fetchall()


def journal_path(folder: Path, server: str, project: int, model_version: str) -> Path:
    """Where the journal of a project and a model version is kept."""
    digest = hashlib.sha256(f"{server}\n{model_version}".encode()).hexdigest()[:12]
    return folder / f"project-{project}-{digest}.sqlite"


def _opened(path: Path) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Used from several threads, one at a time.
        database = sqlite3.connect(path, timeout=0.0, check_same_thread=False)
        # Exclusive: a second push would send the same tasks again.
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        with database:
            database.execute(_SCHEMA)
    except sqlite3.OperationalError as error:
        raise RunError(
            f"the journal {path} is in use or cannot be written ({error}); another push of this "
            "project is at work: wait until it ends, or give another --journal folder"
        ) from error
    except (sqlite3.DatabaseError, OSError) as error:
        raise RunError(
            f"cannot use the journal {path}: {error}. Delete it and give the command again: what "
            "Label Studio has stored is not sent twice"
        ) from error
    return database
