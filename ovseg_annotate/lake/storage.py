"""Files by address: a folder of this machine, or a bucket, through fsspec.

A file appears whole or not at all, everywhere: on a disk it is written beside its place and
renamed, in a bucket one upload is one object, which is not there before its last byte is. Places
that can do neither are not written to.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ovseg_annotate.errors import OptionError, OvsegError, RunError
from ovseg_annotate.whole_files import TEMPORARY_PREFIX, write_whole

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_SEPARATOR = "://"
# Where a file that is being written cannot be seen.
_WRITABLE = ("file", "memory", "s3", "gs", "az", "abfs")
# What fsspec needs for an address, beyond itself.
_PACKAGES = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "http": "aiohttp",
    "https": "aiohttp",
}


def is_address(text: str) -> bool:
    """Whether it names a place by its protocol, as s3://bucket/photos does."""
    return _SEPARATOR in text


def protocol_of(address: str) -> str:
    """The word in front of ://; file for a path of this machine."""
    return address.partition(_SEPARATOR)[0].casefold() if is_address(address) else "file"


def file_system(address: str) -> tuple[AbstractFileSystem, str]:
    """The file system of an address, and the address as a path in it."""
    from fsspec.core import url_to_fs  # noqa: PLC0415  only fleets and lakes need it

    protocol = protocol_of(address)
    try:
        system, path = url_to_fs(address)
    except ImportError as error:
        package = _PACKAGES.get(protocol)
        wanted = f"pip install {package}" if package else f"install what it asks for: {error}"
        raise OptionError(
            f"{address}: {protocol}:// needs a package that is not installed here; {wanted}, here "
            "and on every machine of the fleet"
        ) from error
    except ValueError as error:
        raise OptionError(
            f"{address}: {protocol}:// is not known; there is a path of this machine, "
            f"{', '.join(f'{each}://' for each in sorted(_PACKAGES))}"
        ) from error
    return system, path


@dataclass(frozen=True)
class Storage:
    """A folder, here or in a bucket; files in it go by names with forward slashes."""

    address: str  # a path, or protocol://...

    def __post_init__(self) -> None:
        protocol = protocol_of(self.address)
        if protocol not in _WRITABLE:
            raise OptionError(
                f"--out {self.address}: {protocol}:// cannot be written to; allowed: a path of "
                "this machine, or "
                + ", ".join(f"{each}://" for each in _WRITABLE if each not in ("file", "memory"))
            )

    @property
    def local(self) -> Path | None:
        """The folder, where it is one of this machine."""
        return None if is_address(self.address) else Path(self.address)

    def read(self, name: str) -> bytes:
        with self._explained(name):
            content: bytes = self._system.cat_file(self._path(name))
            return content

    def write(self, name: str, content: bytes) -> None:
        """Put a file in place in one step."""
        with self._explained(name):
            if self.local is not None:
                write_whole(self.local / name, content, durable=True)
            else:
                self._system.pipe_file(self._path(name), content)

    def exists(self, name: str) -> bool:
        """Whether there is such a file; a place that does not answer is an error, and not a no."""
        with self._explained(name):
            try:
                return bool(self._system.info(self._path(name))["type"] == "file")
            except (FileNotFoundError, NotADirectoryError):
                return False

    def names(self, folder: str, suffix: str) -> list[str]:
        """The names below a folder that end so, in order; none when there is no such folder."""
        top = self._path("")
        with self._explained(folder):
            self._system.invalidate_cache()
            found = self._system.find(self._path(folder))
        names = (path.removeprefix(top).lstrip("/") for path in found)
        return sorted(
            name for name in names if name.endswith(suffix) and TEMPORARY_PREFIX not in name
        )

    def remove(self, name: str) -> None:
        """Remove a file that may be there."""
        with self._explained(name), suppress(FileNotFoundError):
            self._system.rm_file(self._path(name))

    def remove_folder(self, name: str) -> None:
        """Remove a folder that may be there, with all that is in it."""
        with self._explained(name), suppress(FileNotFoundError):
            self._system.rm(self._path(name), recursive=True)

    @cached_property
    def _opened(self) -> tuple[AbstractFileSystem, str]:
        if self.local is not None:
            return file_system(str(self.local.absolute()))
        return file_system(self.address)

    @property
    def _system(self) -> AbstractFileSystem:
        return self._opened[0]

    def _path(self, name: str) -> str:
        return f"{self._opened[1].rstrip('/')}/{name}".rstrip("/")

    @contextmanager
    def _explained(self, name: str) -> Iterator[None]:
        try:
            yield
        except OvsegError:
            raise
        # Every protocol has errors of its own beside OSError, for places that do not answer.
        except Exception as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise RunError(
                f"{self.address.rstrip('/')}/{name}: {reason}. What is finished is kept; put the "
                "place right, or your rights to it, and give the same command to go on"
            ) from error
