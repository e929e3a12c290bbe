"""Exports beside the records; a file that a person has changed since is left as it is.

`exports.json` keeps the sha256 of every file that was put in place. While files are being put in
place it lists the old and the new digest of each, so that a kill in between never makes our own
file look like a person's.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ovseg_annotate.errors import FormatError, RunError
from ovseg_annotate.formats.file_names import safe_relative
from ovseg_annotate.plain_data import json_value
from ovseg_annotate.refused_writes import explained
from ovseg_annotate.run_folder.writing import write_whole
from ovseg_annotate.whole_files import TEMPORARY_PREFIX

MANIFEST_NAME = "exports.json"


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What became of the files of one format."""

    format: str
    folder: Path
    files: int  # as they should be now
    kept: tuple[Path, ...]  # a person changed or made these: not touched


class Exports:
    """The exported files of a run folder. Use it under the folder's lock."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._manifest = folder / MANIFEST_NAME
        self._known: dict[str, list[str]] = _read_manifest(self._manifest)

    def publish(self, name: str, write: Callable[[Path], object]) -> ExportReport:
        """Let `write` fill a fresh folder, then put its files in place under `name`."""
        target = self._folder / name
        with explained(target):
            fresh = Path(tempfile.mkdtemp(dir=self._folder, prefix=TEMPORARY_PREFIX))
            try:
                _written(write, fresh)
                return self._put_in_place(name, fresh)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)

    def _put_in_place(self, name: str, fresh: Path) -> ExportReport:
        target = self._folder / name
        made = {
            f"{name}/{path.relative_to(fresh).as_posix()}": path
            for path in sorted(fresh.rglob("*"))
            if path.is_file()
        }
        digests = {key: _digest(path) for key, path in made.items()}
        stale = {key for key in self._known if key.startswith(f"{name}/")} - set(made)
        kept = {key for key in (*made, *stale) if self._is_a_persons(key, digests.get(key))}
        for key in set(made) - kept:
            self._known[key] = [*self._known.get(key, []), digests[key]]
        self._write_manifest()
        for key, path in made.items():
            if key not in kept:
                (self._folder / key).parent.mkdir(parents=True, exist_ok=True)
                path.chmod(0o644)
                path.replace(self._folder / key)
                self._known[key] = [digests[key]]
        for key in stale:
            if key not in kept:
                (self._folder / key).unlink(missing_ok=True)
            del self._known[key]
        self._write_manifest()
        return ExportReport(
            name, target, len(made), tuple(self._folder / key for key in sorted(kept))
        )

    def _is_a_persons(self, key: str, fresh_digest: str | None) -> bool:
        path = self._folder / key
        if not path.is_file():
            return False
        digest = _digest(path)
        return digest != fresh_digest and digest not in self._known.get(key, [])

    def _write_manifest(self) -> None:
        text = json.dumps(self._known, indent=0, sort_keys=True)
        write_whole(self._manifest, text.encode())


def _written(write: Callable[[Path], object], fresh: Path) -> None:
    try:
        write(fresh)
    except FormatError as error:
        # A full disk is no fault of the format: let it be explained as everywhere in the folder.
        if isinstance(error.__cause__, OSError):
            raise error.__cause__ from None
        raise


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_manifest(path: Path) -> dict[str, list[str]]:
    if not path.exists():
        return {}
    try:
        document = json_value(path.read_text(encoding="utf-8"))
        # A folder of somebody else's: no name in it may lead out of it, to be read or removed.
        return {
            str(safe_relative(key)): [str(digest) for digest in digests]
            for key, digests in document.items()
        }
    except (OSError, ValueError, AttributeError, TypeError, FormatError) as error:
        raise RunError(
            f"cannot read {path}: {error}. Delete it to go on; exported files that are there "
            "then count as a person's and stay as they are"
        ) from error
