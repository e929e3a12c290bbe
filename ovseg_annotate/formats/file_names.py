"""Names of the files that belong to pictures, and the table that keeps what the names lose."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from ovseg_annotate.errors import FormatError
from ovseg_annotate.formats.atomic import as_utf8, atomic_file
from ovseg_annotate.formats.fields import Field
from ovseg_annotate.geometry import Size

PICTURES = "pictures.csv"
_COLUMNS = ("picture", "width", "height", "file")


def safe_relative(name: str, where: str = "") -> PurePosixPath:
    """The picture's name as a path that stays in its folder; errors begin with `where`, if any."""
    path = PurePosixPath(name)
    unsafe = (
        not path.parts
        or path.is_absolute()
        or ".." in path.parts
        or "\0" in name
        or "\\" in name
        or ":" in path.parts[0]
    )
    if unsafe:
        told = f"{where}: {name!r}" if where else repr(name)
        raise FormatError(
            f"{told} is no path inside a folder; "
            "use a relative one with forward slashes and without '..'"
        )
    return path


class FileNames:
    """Gives each picture of one export a file of its own, named after it."""

    def __init__(self, *, twins: bool) -> None:
        """`twins`: a.jpg and a.png may both be there; the second gets its whole name."""
        self._twins = twins
        self._taken: set[str] = set()

    def stem_of(self, name: str) -> str:
        """The picture's name less its suffix."""
        path = safe_relative(name)
        for candidate in (path.with_suffix(""), path)[: 1 + self._twins]:
            # Some file systems take A.png and a.png for one.
            key = str(candidate).casefold()
            if key not in self._taken:
                self._taken.add(key)
                return str(candidate)
        raise FormatError(
            f"two pictures would share one file: {name!r} and one named alike; "
            "rename one of them or export their folders one by one"
        )


@dataclass(frozen=True, slots=True)
class Picture:
    """A row of pictures.csv."""

    name: str
    size: Size
    file: str  # relative to the table's folder, with forward slashes


class PictureTable:
    """Writes pictures.csv row by row; sizes and suffixes stand nowhere else in some formats."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._write(_COLUMNS)

    def add(self, picture: Picture) -> None:
        size = picture.size
        self._write((picture.name, str(size.width), str(size.height), picture.file))

    def _write(self, row: tuple[str, ...]) -> None:
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(row)
        self._file.write(as_utf8(line.getvalue()))


@contextmanager
def picture_table(folder: Path) -> Iterator[PictureTable]:
    """Write pictures.csv in one step at the end of the block."""
    with atomic_file(folder / PICTURES) as file:
        yield PictureTable(file)


def read_picture_table(path: Path) -> Iterator[Picture]:
    """Read pictures.csv row by row."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for number, row in enumerate(csv.DictReader(file, strict=True), start=2):
                yield _picture(Field(row, f"{path}: line {number}"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FormatError(f"cannot read {path}: {error}") from error


def _picture(row: Field) -> Picture:
    numbers: dict[str, object] = {}
    for column in ("width", "height"):
        field = row.get(column)
        try:
            numbers[column] = int(str(field.value))
        except ValueError as error:
            raise field.wrong("a whole number") from error
    size = Field(numbers, row.where).size()
    file = row.get("file")
    try:
        return Picture(row.get("picture").text(), size, str(safe_relative(file.text())))
    except FormatError as error:
        raise FormatError(f"{row.where}: {error}") from error


def listed_files(folder: Path, subfolder: str, suffix: str) -> Iterator[tuple[str, Path]]:
    """Names of pictures and their files: from pictures.csv, or all below the subfolder."""
    if (folder / PICTURES).is_file():
        for picture in read_picture_table(folder / PICTURES):
            yield picture.name, folder / picture.file
        return
    root = folder / subfolder if (folder / subfolder).is_dir() else folder
    for path in files_below(root, suffix):
        yield path.relative_to(root).as_posix(), path


def files_below(folder: Path, suffix: str) -> Iterator[Path]:
    """All files with a suffix, in a stable order; hidden ones are somebody's unfinished work."""
    if not folder.is_dir():
        raise FormatError(f"{folder} is not a folder")
    for path in sorted(folder.rglob(f"*{suffix}")):
        if path.is_file() and not any(
            part.startswith(".") for part in path.relative_to(folder).parts
        ):
            yield path


def file_or_in(path: Path, standard_name: str) -> Path:
    """The file itself, or the one with the standard name when a folder is given."""
    return path / standard_name if path.is_dir() else path
