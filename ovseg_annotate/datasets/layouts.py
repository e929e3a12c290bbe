"""Find the folders and files of a data set, and say what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ovseg_annotate.errors import FormatError
from ovseg_annotate.formats.fields import read_json
from ovseg_annotate.formats.file_names import safe_relative

_LONGEST_VALUE = 9  # digits


@dataclass(frozen=True, slots=True)
class Layout:
    """What lies below the folder of a data set."""

    title: str  # "Pascal VOC 2012"
    tree: str  # a few lines, as a person would draw them

    def root(self, path: Path, mark: str, below: tuple[str, ...] = ()) -> Path:
        """The folder that has `mark`: the given one, or one of those below it."""
        for candidate in (path, *(path / name for name in below)):
            if (candidate / mark).exists():
                return candidate.absolute()  # its last part names the set, even for "."
        raise self.without(path, mark)

    def first(self, root: Path, *names: str) -> Path:
        """The first of these that is there."""
        for name in names:
            if (root / name).exists():
                return root / name
        raise self.without(root, " or ".join(names))

    def without(self, path: Path, what: str) -> FormatError:
        """The error to raise when something is missing."""
        if not path.exists():
            return FormatError(f"there is no {path}; expected {self.title}:\n{self.tree}")
        return FormatError(f"{path} has no {what}; {self.title} looks like this:\n{self.tree}")


def files_by_stem(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """Every file of one of these suffixes in a folder and below, sorted."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.casefold() in suffixes and not path.name.startswith("."):
            if path.stem in found:
                raise FormatError(
                    f"{found[path.stem]} and {path} have one name; keep one of them in {folder}"
                )
            found[path.stem] = path
    if not found:
        raise FormatError(f"{folder} holds no file named *{' or *'.join(suffixes)}")
    return found


def partner(found: dict[str, Path], stem: str, folder: Path, of: Path) -> Path:
    """The file of that name."""
    if stem not in found:
        raise FormatError(
            f"{of} has no partner named {stem!r} in {folder}; unpack the data set again, or "
            "remove the file"
        )
    return found[stem]


def names_in_list(path: Path) -> tuple[str, ...]:
    """The first word of each line that has one; none leads out of a folder."""
    names = []
    for number, line in enumerate(_lines(path), start=1):
        if line.strip():
            names.append(line.split()[0])
            safe_relative(names[-1], f"{path}, line {number}")
    if not names:
        raise FormatError(f"{path} is empty; expected one picture name a line")
    return tuple(names)


def numbered_names(path: Path) -> dict[int, str]:
    """The names of lines such as "12: street sign"."""
    names: dict[int, str] = {}
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        value, colon, name = line.partition(":")
        if not colon or not is_value(value.strip()) or not name.strip():
            raise FormatError(f"{path}, line {number}: expected '12: street sign', got {line!r}")
        if int(value) in names:
            raise FormatError(f"{path}, line {number}: {value.strip()} has a name already")
        names[int(value)] = " ".join(name.split())
    return names


def is_value(text: str) -> bool:
    """Whether it is a number that a pixel can have."""
    return text.isdecimal() and len(text) <= _LONGEST_VALUE


def listed_names(path: Path) -> tuple[str, ...]:
    """Names from a JSON list of texts, or one a line."""
    if path.suffix.casefold() == ".json":
        return tuple(item.text() for item in read_json(path).items())
    return tuple(line.strip() for line in _lines(path) if line.strip())


def table_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows of a tab-separated table with a header, and their line numbers."""
    lines = _lines(path)
    header = [name.strip() for name in lines[0].split("\t")] if lines else []
    for number, line in enumerate(lines[1:], start=2):
        if line.strip():
            yield number, dict(zip(header, map(str.strip, line.split("\t")), strict=False))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:  # also a name with a NUL, and other encodings
        raise FormatError(f"cannot read {str(path)!r}: {error}") from error
