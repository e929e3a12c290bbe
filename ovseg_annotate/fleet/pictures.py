"""Which pictures a fleet is about, and their bytes: from disks, buckets, web servers, lists."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from ovseg_annotate.errors import ImageError, RunError
from ovseg_annotate.image import SUFFIXES, ReadingOptions
from ovseg_annotate.lake.rows import FileState
from ovseg_annotate.lake.storage import file_system, is_address, protocol_of
from ovseg_annotate.plain_text import readable
from ovseg_annotate.run_folder import pictures_in

_LIST_SUFFIX = ".txt"  # a file with one path or address a line
# How places name the version of a file, the surest first.
_VERSIONS = ("ETag", "etag", "md5Hash", "LastModified", "last_modified", "mtime", "created")


@dataclass(frozen=True, slots=True)
class FleetPicture:
    """A picture by its name, and the file as it is listed."""

    name: str  # below the folder that was named, with forward slashes; of a list: host and path
    file: FileState


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a picture file."""

    data: bytes
    sha256: str


def listed(inputs: Iterable[str], leave_out: str) -> list[FleetPicture]:
    """The pictures of files, folders, addresses and lists; what lies in `leave_out` is not one."""
    found: dict[str, FleetPicture] = {}
    for given in inputs:
        for picture in _listed(given, leave_out):
            other = found.setdefault(picture.name, picture)
            if other.file.source != picture.file.source:
                raise RunError(
                    f"{other.file.source} and {picture.file.source} would both be called "
                    f"{picture.name!r}; name the folder above them, or use two --out"
                )
    if not found:
        raise ImageError(
            f"no pictures in what was named; looked for {', '.join(SUFFIXES)}. Web servers that "
            f"do not list their folders need a list: a file NAME{_LIST_SUFFIX}, one address a line"
        )
    return list(found.values())


def read_bytes(picture: FleetPicture, reading: ReadingOptions) -> Content:
    """Fetch a picture; one byte more than may be read tells that there are more."""
    data = _read(picture, reading, reading.maximum_bytes + 1)
    return Content(data, hashlib.sha256(data).hexdigest())


def read_at_most(picture: FleetPicture, reading: ReadingOptions, most: int) -> Content | None:
    """The same; None for a file of more bytes than `most`."""
    if picture.file.bytes is not None and picture.file.bytes > most:
        return None
    data = _read(picture, reading, min(most, reading.maximum_bytes) + 1)
    return None if len(data) > most else Content(data, hashlib.sha256(data).hexdigest())


def _read(picture: FleetPicture, reading: ReadingOptions, most: int) -> bytes:
    source = picture.file.source
    if picture.file.bytes is not None and picture.file.bytes > reading.maximum_bytes:
        raise ImageError(
            f"{source}: the file has {picture.file.bytes:,} bytes; at most "
            f"{reading.maximum_bytes:,} are read; raise maximum_bytes if that is right"
        )
    system, path = file_system(source)
    try:
        with system.open(path, "rb") as file:
            data: bytes = file.read(most)
    except FileNotFoundError as error:
        # What fsspec says of web servers that cannot be reached, too.
        reason = "" if error.__cause__ is None else f" ({error.__cause__})"
        raise ImageError(
            f"{source}: there is no such file{reason}; check the name, and give the command again "
            "with --retry-failed when it is there"
        ) from error
    # Every protocol has errors of its own; whichever it is, this picture could not be fetched.
    except Exception as error:
        raise ImageError(
            f"{source}: cannot be read: {type(error).__name__}: {error}; give the command again "
            "with --retry-failed when the place answers"
        ) from error
    return data


def _listed(given: str, leave_out: str) -> Iterator[FleetPicture]:
    if PurePosixPath(given).suffix.casefold() == _LIST_SUFFIX:
        yield from map(_of_line, _lines(given))
    elif is_address(given):
        yield from _at_address(given, leave_out)
    else:
        out = None if is_address(leave_out) else Path(leave_out)
        for picture in pictures_in([Path(given)], leave_out=out):
            yield FleetPicture(picture.name, _local_state(picture.path))


def _at_address(given: str, leave_out: str) -> Iterator[FleetPicture]:
    system, top = file_system(given)
    if PurePosixPath(top).suffix.casefold() in SUFFIXES:
        yield FleetPicture(PurePosixPath(top).name, _state(given, _explained_info(given)))
        return
    try:
        found: dict[str, dict[str, Any]] = system.find(top, detail=True)
    except Exception as error:  # as in read_bytes
        raise ImageError(
            f"{given}: cannot be listed: {type(error).__name__}: {error}; check the address and "
            "your rights to it"
        ) from error
    excluded = _inside(leave_out, protocol_of(given))
    for path, info in sorted(found.items()):
        name = path.removeprefix(top.rstrip("/")).lstrip("/")
        hidden = any(part.startswith(".") for part in name.split("/"))
        picture = PurePosixPath(name).suffix.casefold() in SUFFIXES
        if picture and not hidden and not path.startswith(excluded):
            yield FleetPicture(unquote(name), _state(str(system.unstrip_protocol(path)), info))


def _inside(address: str, protocol: str) -> tuple[str, ...]:
    """What the paths below an address start with; () for one of another protocol."""
    if not is_address(address) or protocol_of(address) != protocol:
        return ()
    return (file_system(address)[1].rstrip("/") + "/",)


def _lines(given: str) -> list[str]:
    system, path = file_system(given if is_address(given) else str(Path(given).absolute()))
    try:
        text = system.cat_file(path).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ImageError(
            f"{given}: cannot be read as a list of pictures: {error}; expected UTF-8 text with "
            "one path or address a line"
        ) from error
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _of_line(line: str) -> FleetPicture:
    """A listed picture goes by its whole path: a longer list tomorrow changes no name."""
    if not is_address(line):
        path = Path(line).absolute()
        return FleetPicture(readable(path.as_posix().lstrip("/")), _local_state(path))
    parts = urlsplit(line)
    name = unquote(f"{parts.netloc.rpartition('@')[2]}{parts.path}")
    # Not asked about one by one: a list is as long as it likes.
    return FleetPicture(name, FileState(line, None, ""))


def _local_state(path: Path) -> FileState:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return FileState(str(path), None, "")  # reading it will say what is wrong
    return FileState(str(path), status.st_size, str(status.st_mtime_ns))


def _explained_info(given: str) -> dict[str, Any]:
    system, path = file_system(given)
    try:
        info: dict[str, Any] = system.info(path)
    except Exception as error:  # as in read_bytes
        raise ImageError(f"{given}: cannot be found: {error}; check the address") from error
    return info


def _state(address: str, info: dict[str, Any]) -> FileState:
    version = next((str(info[key]) for key in _VERSIONS if info.get(key)), "")
    if protocol_of(address) in ("http", "https"):
        version = str(info.get("ETag") or "")  # what is called mtime there is the time of asking
    size = info.get("size")
    return FileState(address, None if size is None else int(size), version)
