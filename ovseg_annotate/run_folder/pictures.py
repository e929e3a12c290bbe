"""Which pictures a run is about, and the name that each goes by."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ovseg_annotate.errors import ImageError, RunError
from ovseg_annotate.image import images_in
from ovseg_annotate.plain_text import readable


@dataclass(frozen=True, slots=True)
class Picture:
    """A file to annotate."""

    name: str  # relative to the folder that was named, with forward slashes: names the record
    path: Path  # absolute

    @property
    def folder(self) -> Path:
        """The folder that the name starts from."""
        return self.path.parents[self.name.count("/")]


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a file held when it was annotated."""

    source: str  # absolute path, for showing it again
    bytes: int
    modified: int  # ns since the epoch
    sha256: str  # of the file

    @classmethod
    def of(cls, path: Path) -> Fingerprint:
        status = path.stat()
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return cls(str(path), status.st_size, status.st_mtime_ns, digest)

    def still_holds(self, path: Path) -> bool:
        """Whether the file is the one that was annotated; reads it only when its date changed."""
        try:
            status = path.stat()
            if status.st_size != self.bytes:
                return False
            return status.st_mtime_ns == self.modified or Fingerprint.of(path).sha256 == self.sha256
        except OSError:
            return False


def pictures_in(inputs: Iterable[Path], *, leave_out: Path | None = None) -> tuple[Picture, ...]:
    """The pictures of files and folders in order; what lies under `leave_out` is not one."""
    excluded = None if leave_out is None else leave_out.absolute()
    paths_by_name: dict[str, Path] = {}
    for given in inputs:
        base, paths = _found(given)
        for path in paths:
            if excluded is not None and path.is_relative_to(excluded):
                continue
            name = readable(path.relative_to(base).as_posix())
            other = paths_by_name.setdefault(name, path)
            if other != path:
                raise RunError(
                    f"{other} and {path} would both be called {name!r}; name the folder above "
                    "them, or annotate them into two --out folders"
                )
    if not paths_by_name:
        raise ImageError("no pictures left to annotate: all of them lie in the --out folder")
    return tuple(Picture(name, path) for name, path in paths_by_name.items())


def _found(given: Path) -> tuple[Path, list[Path]]:
    given = given.absolute()
    if given.is_dir():
        return given, images_in(given)
    if not given.exists():
        raise ImageError(f"there is no file or folder {given}; check the path")
    return given.parent, [given]
