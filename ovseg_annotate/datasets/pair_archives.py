"""Samples of webdataset archives: files of one name, side by side in a tar."""

from __future__ import annotations

import lzma
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ovseg_annotate.errors import FormatError

_PICTURES = frozenset({"jpg", "jpeg", "png", "webp", "bmp", "gif"})
_TEXT = "txt"
_RECORD = "json"
_READ = _PICTURES | {_TEXT, _RECORD}
_BLOCK = 512  # bytes of tar
_LARGEST = 2**28  # bytes of one sample: more is no picture with a caption
# Besides errors of its own, the reader gives those of what it stands on, and of numbers in headers.
_DAMAGE = (
    tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, OverflowError,
    RecursionError,
)  # fmt: skip


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

    where: Path  # the archive
    key: str
    suffixes: dict[str, None] = field(default_factory=dict)  # in their order
    contents: dict[str, bytes] = field(default_factory=dict)  # by suffix, of those that are read
    left: int = _LARGEST

    def take(self, suffix: str, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        """Read a file of the sample, if it is one of those that make a pair."""
        self.suffixes[suffix] = None
        if suffix not in _READ:
            return
        if member.size > self.left:
            raise FormatError(
                f"{self.where}: {member.name} makes a sample of more than {_LARGEST:,} bytes"
            )
        self.left -= member.size
        file = archive.extractfile(member)
        self.contents[suffix] = b"" if file is None else file.read()

    def sample(self) -> Sample:
        picture = next((self.contents[each] for each in self.contents if each in _PICTURES), None)
        return Sample(
            f"{self.where}: {self.key}",
            picture,
            self.contents.get(_TEXT),
            self.contents.get(_RECORD),
            tuple(f".{suffix}" for suffix in self.suffixes),
        )


def samples_in(path: Path) -> Iterator[Sample]:
    """Read sample after sample; an archive that is cut off is an error after its whole ones."""
    try:
        with tarfile.open(path, "r:*") as archive:
            gathered: _Gathered | None = None
            for member in archive:
                if member.size < 0:  # the next header would be one that was read before
                    raise FormatError(f"{path} is damaged behind {member.offset:,} bytes")
                if not member.isfile():
                    continue
                key, suffix = _split(member.name)
                if gathered is not None and gathered.key != key:
                    yield gathered.sample()
                    gathered = None
                gathered = gathered or _Gathered(path, key)
                gathered.take(suffix, archive, member)
            _check_end(archive, path)
            if gathered is not None:
                yield gathered.sample()
    except _DAMAGE as error:
        raise FormatError(f"{path} is damaged or cut off: {error}; download it again") from error


def _split(name: str) -> tuple[str, str]:
    """Folder and name up to the first dot, and the suffix behind it."""
    folder, slash, file = name.rpartition("/")
    stem, _, suffix = file.partition(".")
    return folder + slash + stem, suffix.casefold()


def _check_end(archive: tarfile.TarFile, path: Path) -> None:
    """Look for the empty block that ends every archive: without it, tarfile ends in silence."""
    if archive.fileobj is None:
        return
    archive.fileobj.seek(archive.offset)
    if archive.fileobj.read(_BLOCK) != bytes(_BLOCK):
        raise FormatError(
            f"{path} is damaged or cut off behind {archive.offset:,} bytes; download it again"
        )
