"""Every correction, written down before anything is learnt from it.

A journal is one file of sealed lines that only ever grows; each line is on the disk before `take`
returns. A line that a kill or a power cut tore is the last one, and is dropped with a warning when
the journal is opened; damage anywhere else is an error, because nothing may be lost in silence.
Each project has a journal in a folder of its own.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO
from urllib.parse import quote

from ovseg_annotate.errors import RunError
from ovseg_annotate.learning_loop.corrections import Correction
from ovseg_annotate.learning_loop.entries import Entry, digest_of, entry_bytes, entry_from
from ovseg_annotate.learning_loop.sealed_lines import sealed, unsealed
from ovseg_annotate.refused_writes import explained
from ovseg_annotate.run_folder.lock import FolderLock
from ovseg_annotate.whole_files import STALE, remove_leftovers

FILE_NAME = "journal.jsonl"

_LONGEST_NAME = 60  # characters of a project's name in that of its folder


@dataclass(frozen=True, slots=True)
class TakenUp:
    """What a list of corrections brought."""

    new: int
    known: int  # as they were before
    withdrawn: int


@dataclass(frozen=True, slots=True)
class _Word:
    """What was last told of a picture, and where it stands."""

    order: tuple[str, int, str]
    digest: str
    start: int  # byte
    withdrawn: bool


class Journal:
    """The journal of one project, in the hands of this process from `__enter__` to `__exit__`."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self.warnings: tuple[str, ...] = ()  # for the person, each a whole sentence
        self._lock = FolderLock(folder)
        self._words: dict[str, _Word] = {}
        self._known: set[tuple[str, str, str]] = set()  # picture, revision, digest
        # One handle to write and one to read: an appended line moves the place of the first in the
        # file, of which the buffer of a reader would hear nothing.
        self._file: BinaryIO | None = None
        self._reading: BinaryIO | None = None
        self._end = 0

    def __enter__(self) -> Journal:
        self._lock.__enter__()
        try:
            # Versions are switched, and heads trained, by others too.
            remove_leftovers(self.path.parent, age=STALE)
            with explained(self.path):
                self._file = self.path.open("ab")
                self._reading = self.path.open("rb")
            self._read()
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
        for file in (self._file, self._reading):
            if file is not None:
                file.close()
        self._file = self._reading = None
        self._lock.__exit__(kind, error, trace)

    def __len__(self) -> int:
        """Pictures with a correction that holds."""
        return sum(not word.withdrawn for word in self._words.values())

    @property
    def pictures(self) -> frozenset[str]:
        """Those with a correction that holds."""
        return frozenset(name for name, word in self._words.items() if not word.withdrawn)

    @property
    def standing(self) -> dict[str, str]:
        """The digests of the corrections that hold, by picture, in the order of names."""
        words = sorted(self._words.items())
        return {picture: word.digest for picture, word in words if not word.withdrawn}

    def holds(self, picture: str) -> bool:
        """Whether it has a correction that holds."""
        word = self._words.get(picture)
        return word is not None and not word.withdrawn

    @property
    def digest(self) -> str:
        """Names what the journal says now, in whatever order it came and however often."""
        return hashlib.sha256(repr(list(self.standing.items())).encode()).hexdigest()

    def take(self, correction: Correction, revision: str = "") -> bool:
        """Write a correction down; False when it is known already.

        Of two answers for a picture that with the later `revision` holds, in whatever order they
        come; without revisions the one that came last.
        """
        return self._take(Entry(correction.picture, correction, revision))

    def withdraw(self, picture: str, revision: str = "") -> bool:
        """Write down that the correction of a picture no longer holds; False when none did.

        With a revision it may come before what it withdraws.
        """
        if picture not in self._words and not revision:
            return False
        return self._take(Entry(picture, None, revision))

    def take_all(self, corrections: Iterable[Correction], *, complete: bool) -> TakenUp:
        """Take many; when they are all there are, those of other pictures are withdrawn."""
        new, seen = 0, set[str]()
        for correction in corrections:
            new += self.take(correction)
            seen.add(correction.picture)
        gone = [
            picture
            for picture, word in self._words.items()
            if complete and picture not in seen and not word.withdrawn
        ]
        withdrawn = sum(self.withdraw(picture) for picture in gone)
        return TakenUp(new, len(seen) - new, withdrawn)

    def corrections(self) -> Iterator[Correction]:
        """What holds now, one a picture, in the order of names; read when asked for."""
        yield from filter(None, map(self.correction, self.standing))

    def correction(self, picture: str) -> Correction | None:
        """The one that holds for a picture; None: it was withdrawn, or there never was one."""
        word = self._words.get(picture)
        return None if word is None else self._entry_at(word.start).correction

    def entries(self) -> Iterator[Entry]:
        """Everything that was ever told, in order: the journal replayed."""
        position = 0
        while position < self._end:
            entry = self._entry_at(position)
            position = _opened(self._reading).tell()
            yield entry

    def _take(self, entry: Entry) -> bool:
        digest = digest_of(entry.correction)
        present = self._words.get(entry.picture)
        if entry.revision:
            if (entry.picture, entry.revision, digest) in self._known:
                return False
        elif present is not None and present.digest == digest:
            return False
        start = self._end
        self._append(sealed(entry_bytes(entry)))
        self._note(entry, digest, start)
        return True

    def _append(self, line: bytes) -> None:
        file = _opened(self._file)
        with explained(self.path):
            # Past the buffer of `file`: what a full disk refuses must not stay in there, to be
            # written later, behind something else. The file is open for appending.
            number, left = file.fileno(), memoryview(line)
            try:
                while left:
                    left = left[os.write(number, left) :]
                os.fsync(number)
            except OSError:
                with suppress(OSError):  # the next opening drops what cannot be cut off now
                    os.ftruncate(number, self._end)
                raise
        self._end += len(line)

    def _note(self, entry: Entry, digest: str, start: int) -> None:
        self._known.add((entry.picture, entry.revision, digest))
        # With equal revisions the content decides, so that the order of arrival never does.
        order = (entry.revision, 0 if entry.revision else start, digest)
        present = self._words.get(entry.picture)
        if present is None or order > present.order:
            self._words[entry.picture] = _Word(order, digest, start, entry.correction is None)

    def _read(self) -> None:
        """Learn what the file says, and cut off what a kill has torn."""
        file = _opened(self._reading)
        for number, line in enumerate(file, start=1):
            data = unsealed(line)
            if data is None:
                self._drop_torn(number)
                return
            entry = entry_from(data, f"{self.path}, line {number}")
            self._note(entry, digest_of(entry.correction), self._end)
            self._end += len(line)

    def _drop_torn(self, number: int) -> None:
        if _opened(self._reading).read(1):
            raise RunError(
                f"{self.path}, line {number} is damaged and is not the last one, so it was not "
                "torn by a stop; restore the file from a copy, or delete that line to go on "
                "without what it said"
            )
        file = _opened(self._file)
        with explained(self.path):
            size = file.seek(0, os.SEEK_END)
            file.truncate(self._end)
            os.fsync(file.fileno())
        self.warnings = (
            f"the last line of {self.path} was torn when its writer was stopped; its "
            f"{size - self._end} bytes were dropped, and the correction in it has to be taken up "
            "again",
        )

    def _entry_at(self, start: int) -> Entry:
        file = _opened(self._reading)
        file.seek(start)
        data = unsealed(file.readline())
        if data is None:
            raise RunError(f"{self.path} was changed while it was in use, at byte {start}")
        return entry_from(data, f"{self.path}, byte {start}")


def _opened(file: BinaryIO | None) -> BinaryIO:
    if file is None:
        raise ValueError("a journal is used between __enter__ and __exit__")
    return file


def project_folder(base: Path, project: str) -> Path:
    """Where the journal of a project lies; two projects never share one, whatever their names."""
    digest = hashlib.sha256(project.encode()).hexdigest()[:16]
    return base / f"{quote(project, safe=' ')[:_LONGEST_NAME].strip('. ')}-{digest}"
