"""Samples of webdataset archives: files of one name, side by side in a tar."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ovseg_annotate.errors import FormatError

_PICTURES = frozenset({"jpg", "jpeg", "png", "webp", "bmp", "gif"})
_TEXT = "txt"
_RECORD = "json"
_BLOCK = 512  # bytes of tar
_LARGEST = 2**30  # bytes of one file: more is no picture and no caption


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """The files of one name; what is not there is None."""

    name: str  # archive and key
    picture: bytes | None
    text: bytes | None
    record: bytes | None  # JSON
    suffixes: tuple[str, ...]  # of all its files


@dataclass(slots=True)
class _Gathered:
    """A sample while its files come in."""

    key: str
    contents: dict[str, bytes] = field(default_factory=dict)  # by suffix

    def sample(self, path: Path) -> Sample:
        picture = next((self.contents[each] for each in self.contents if each in _PICTURES), None)
        return Sample(
            f"{path}: {self.key}",
            picture,
            self.contents.get(_TEXT),
            self.contents.get(_RECORD),
            tuple(f".{suffix}" for suffix in self.contents),
        )


def samples_in(path: Path) -> Iterator[Sample]:
    """Read sample after sample; an archive that is cut off is an error after its whole ones."""
    try:
        with tarfile.open(path, "r:*") as archive:
            gathered: _Gathered | None = None
            for member in archive:
                if not member.isfile():
                    continue
                key, suffix = _split(member.name)
                if gathered is not None and gathered.key != key:
                    yield gathered.sample(path)
                    gathered = None
                gathered = gathered or _Gathered(key)
                gathered.contents[suffix] = _content(archive, member, path)
            _check_end(archive, path)
            if gathered is not None:
                yield gathered.sample(path)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise FormatError(f"{path} is damaged or cut off: {error}; download it again") from error


def _split(name: str) -> tuple[str, str]:
    """Folder and name up to the first dot, and the suffix behind it."""
    folder, slash, file = name.rpartition("/")
    stem, _, suffix = file.partition(".")
    return folder + slash + stem, suffix.casefold()


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> bytes:
    if member.size > _LARGEST:
        raise FormatError(f"{path}: {member.name} has {member.size:,} bytes; allowed: {_LARGEST:,}")
    file = archive.extractfile(member)
    return b"" if file is None else file.read()


def _check_end(archive: tarfile.TarFile, path: Path) -> None:
    """Look for the empty block that ends every archive: without it, tarfile ends in silence."""
    if archive.fileobj is None:
        return
    archive.fileobj.seek(archive.offset)
    if archive.fileobj.read(_BLOCK) != bytes(_BLOCK):
        raise FormatError(
            f"{path} is damaged or cut off behind {archive.offset:,} bytes; download it again"
        )
