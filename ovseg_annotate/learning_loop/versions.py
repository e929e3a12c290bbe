"""The versions of a project: files that never change, and one small file that says which is in use.

PROJECT/
├── journal.jsonl                every answer, see `journal`
├── versions/v2-1f0c9a4e.lesson  number and digest; opened by ENGINE@WEIGHTS+FILE
└── in_service.json              the version in use and those before it, written in one move
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

from ovseg_annotate.errors import FormatError, VersionError, listed_by_nearness
from ovseg_annotate.formats.fields import read_json
from ovseg_annotate.lessons.model_names import SUFFIX
from ovseg_annotate.lessons.version import Version, read_version, version_bytes, version_from
from ovseg_annotate.refused_writes import explained
from ovseg_annotate.run_folder.writing import write_whole

FOLDER = "versions"
IN_SERVICE = "in_service.json"
BASE = ""  # in place of a name: the model as it came

_NAME = re.compile(r"v(\d+)-([0-9a-f]{8,64})")
_REMEMBERED = 100  # switches that can be undone
_DIGITS = 8  # of the digest in a name


@dataclass(frozen=True, slots=True)
class Service:
    """Which version is in use, and which were before it."""

    name: str = BASE
    earlier: tuple[str, ...] = ()  # the last one last
    coming: str = BASE  # was about to be used: whoever meant to was killed if it still says so


class Versions:
    """The versions in a project's folder; reading needs no lock."""

    def __init__(self, project: Path) -> None:
        self.folder = project / FOLDER
        self._service = project / IN_SERVICE

    @property
    def names(self) -> tuple[str, ...]:
        """In the order in which they came."""
        found = (path.name.removesuffix(SUFFIX) for path in self.folder.glob(f"*{SUFFIX}"))
        return tuple(sorted(filter(_NAME.fullmatch, found), key=_number))

    @property
    def in_service(self) -> Service:
        """As the file says; a version that is gone is an error, never another version."""
        if not self._service.is_file():
            return Service()
        try:
            field = read_json(self._service)
            earlier = tuple(item.text() for item in field.get("earlier").items())
            coming = field.find("coming")
            service = Service(
                field.get("version").text(), earlier, BASE if coming is None else coming.text()
            )
        except FormatError as error:
            raise VersionError(
                f"{error}. It says which version is in use: choose one again with "
                "'ovseg versions PROJECT use NAME', or delete the file to use the model as it came"
            ) from error
        if service.name != BASE:
            self.path_of(service.name)
        return service

    @property
    def current(self) -> Version | None:
        """The version in use; None: the model as it came."""
        name = self.in_service.name
        return None if name == BASE else self.get(name)

    def path_of(self, name: str) -> Path:
        """The file of a version; a beginning of the name will do where it is the only one."""
        names = self.names
        fitting = [each for each in names if each == name or each.startswith(f"{name}-")]
        if len(fitting) != 1:
            there = listed_by_nearness(name, names)
            raise VersionError(f"there is no version {name!r} in {self.folder}; there is: {there}")
        return self.folder / f"{fitting[0]}{SUFFIX}"

    def get(self, name: str) -> Version:
        """Read a version, whole and undamaged."""
        return read_version(self.path_of(name))

    def find(self, digest: str) -> str | None:
        """The name of the version that was learnt from just that."""
        short = f"-{digest[:_DIGITS]}"
        alike = (name for name in self.names if name.endswith(short))
        return next((name for name in alike if self.get(name).card.digest == digest), None)

    def add(self, version: Version) -> str:
        """Write a version and give its name; one of the same digest stays as it is."""
        known = self.find(version.card.digest)
        if known is not None:
            return known
        name = self._next_name(version)
        write_whole(self.folder / f"{name}{SUFFIX}", version_bytes(version))
        return name

    def put_into_service(self, version: Version) -> str:
        """Write a version and use it; gives its name.

        It is announced first, so that one whose use a kill prevented is not taken for one that
        somebody went back from.
        """
        name = self.find(version.card.digest) or self._next_name(version)
        self._write(replace(self._remembered(), coming=name))
        self.use(self.add(version))
        return name

    @property
    def coming(self) -> str | None:
        """The version that was written and then not put into service, since a kill came."""
        return self._remembered().coming or None

    def use(self, name: str) -> None:
        """Put a version into service, or the model as it came (BASE)."""
        if name != BASE:
            version = self.path_of(name)
            read_version(version)  # damage is found now and not when somebody needs it
            name = version.name.removesuffix(SUFFIX)
        before = self._remembered()
        earlier = before.earlier
        if name != before.name:
            earlier = (*earlier, before.name)[-_REMEMBERED:]
        if Service(name, earlier) != before:
            self._write(Service(name, earlier))

    def roll_back(self) -> str:
        """Undo the last switch; the name of the version that is in use now."""
        service = self._remembered()
        if not service.earlier:
            raise VersionError(
                "there is nothing to go back to: the model is in use as it came, and no version "
                "was before"
            )
        *rest, name = service.earlier
        if name != BASE:
            self.get(name)
        self._write(Service(name, tuple(rest)))
        return name

    def take_in(self, content: bytes, where: str, space: str) -> str:
        """Add a version that was learnt elsewhere, if it belongs to the same model."""
        version = version_from(content, where)
        try:
            version.lesson.check_space(space)
        except VersionError as error:
            raise VersionError(f"{where}: {error}") from error
        return self.add(version)

    def export(self, name: str, path: Path) -> None:
        """Copy a version, after checking it; what is at `path` is replaced."""
        source = self.path_of(name)
        read_version(source)
        with explained(path):
            write_whole(path, source.read_bytes())

    def _next_name(self, version: Version) -> str:
        number = max(map(_number, self.names), default=0) + 1
        return f"v{number}-{version.card.digest[:_DIGITS]}"

    def _remembered(self) -> Service:
        """In service; where that version is gone, it can still be left."""
        try:
            return self.in_service
        except VersionError:
            return Service()

    def _write(self, service: Service) -> None:
        plain: dict[str, object] = {"version": service.name, "earlier": list(service.earlier)}
        if service.coming != BASE:
            plain["coming"] = service.coming
        write_whole(self._service, json.dumps(plain).encode() + b"\n")


def _number(name: str) -> int:
    found = _NAME.fullmatch(name)
    return int(found[1]) if found else 0
