"""One process at a time in a run folder; the operating system lets go when a process dies."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import TracebackType
from typing import IO

from ovseg_annotate.errors import RunError
from ovseg_annotate.refused_writes import explained

if sys.platform == "win32":
    import msvcrt

    # Far behind the process id that stands at the start, so that others can still read it.
    _LOCKED_BYTE = 2**30

    def _take(file: IO[str]) -> None:
        file.seek(_LOCKED_BYTE)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        file.seek(0)
else:
    import fcntl

    def _take(file: IO[str]) -> None:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)


class FolderLock:
    """Held between `__enter__` and `__exit__`; a second process gets a RunError at once."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / ".lock"
        self._folder = folder
        self._file: IO[str] | None = None

    def __enter__(self) -> FolderLock:
        with explained(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            file = self._path.open("a+", encoding="ascii")
        try:
            _take(file)
        except OSError as error:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            file.close()
            raise RunError(
                f"process {holder} is working in {self._folder}; wait until it ends, stop it, or "
                "choose another --out"
            ) from error
        self._file = file
        try:
            with explained(self._path):
                # Past its buffer, which a full disk would make fail again when it is closed.
                os.ftruncate(file.fileno(), 0)
                os.write(file.fileno(), str(os.getpid()).encode("ascii"))
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # The file stays: removing it would let two later processes lock two different files.
        if self._file is not None:
            self._file.close()
            self._file = None
