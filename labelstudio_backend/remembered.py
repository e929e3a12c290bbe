"""What is remembered of projects, on disk: a small file each, there as a whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path

from labelstudio_backend.projects import ProjectState, TypedWords
from labelstudio_backend.words import Wording
from ovseg_annotate.errors import FormatError
from ovseg_annotate.formats.fields import Field, parse_json, plain_json
from ovseg_annotate.learning_loop.sealed_lines import sealed, unsealed
from ovseg_annotate.whole_files import STALE, remove_leftovers, write_whole

_SUFFIX = ".project"
_LIMIT = 1024  # files
_LARGEST = 2**20  # bytes of a file; parameters of a project are a few words

_log = logging.getLogger(__name__)


class RememberedProjects:
    """The states of one server's projects; what cannot be read or written costs a warning only.

    Beyond the limit the projects go first in which nothing was changed for longest.
    """

    def __init__(self, folder: Path, server: str, limit: int = _LIMIT) -> None:
        self._folder = folder
        self._server = server
        self._limit = limit
        remove_leftovers(folder, age=STALE)

    def read(self, project: str) -> ProjectState:
        """What was kept; nothing where nothing was, or where it is damaged."""
        path = self._path(project)
        try:
            if path.stat().st_size > _LARGEST:
                raise FormatError(f"{path} is larger than any file of ours")
            entry = unsealed(path.read_bytes())
            if entry is None:
                raise FormatError(f"{path} is not as it was written")
            return _state_of(parse_json(entry, str(path)))
        except FileNotFoundError:
            return ProjectState()
        except (OSError, FormatError) as error:
            _log.warning(
                "what was typed in project %s is forgotten: %s; the next words that are typed "
                "there replace the file",
                project,
                error,
            )
            return ProjectState()

    def write(self, project: str, state: ProjectState) -> None:
        """Keep a state instead of the one before."""
        entry = plain_json(_plain(project, state)).encode("ascii")
        try:
            if len(entry) > _LARGEST:
                raise OSError(f"{len(entry)} bytes are more than {_LARGEST}")
            write_whole(self._path(project), sealed(entry))
            self._remove_oldest()
        except OSError as error:
            _log.warning(
                "what was typed in project %s is lost when the backend stops, because it cannot "
                "be kept in %s: %s",
                project,
                self._folder,
                error,
            )

    def _path(self, project: str) -> Path:
        digest = hashlib.sha256(f"{self._server}\n{project}".encode("utf-8", "backslashreplace"))
        return self._folder / f"{digest.hexdigest()[:24]}{_SUFFIX}"

    def _remove_oldest(self) -> None:
        ages = sorted(_ages(self._folder))
        for _, path in ages[: max(0, len(ages) - self._limit)]:
            path.unlink(missing_ok=True)


def _ages(folder: Path) -> Iterator[tuple[int, Path]]:
    for path in folder.glob(f"*{_SUFFIX}"):
        with contextlib.suppress(FileNotFoundError):  # another process removed it
            yield path.stat().st_mtime_ns, path


def _plain(project: str, state: ProjectState) -> dict[str, object]:
    return {
        "project": project,
        "extra_params": dict(state.extra_params),
        "typed": [
            {
                "image": each.image,
                "concept": each.wording.concept,
                "phrases": list(each.wording.phrases),
                "threshold": each.wording.threshold,
            }
            for each in state.typed
        ],
    }


def _state_of(entry: Field) -> ProjectState:
    params = entry.get("extra_params")
    if not isinstance(params.value, dict):
        raise params.wrong("an object {...}")
    return ProjectState(params.value, tuple(map(_typed_of, entry.get("typed").items())))


def _typed_of(entry: Field) -> TypedWords:
    threshold = entry.find("threshold")
    wording = Wording(
        entry.get("concept").text(),
        tuple(phrase.text() for phrase in entry.get("phrases").items()),
        None if threshold is None else threshold.number(),
    )
    return TypedWords(entry.get("image").text(), wording)
