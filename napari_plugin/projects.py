"""Where a dock keeps what it was taught: a project for each model, with journal and versions."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from napari_plugin.answers import VersionOffer
from ovseg_annotate.errors import VersionError
from ovseg_annotate.learning_loop.journal import project_folder
from ovseg_annotate.learning_loop.project import Project
from ovseg_annotate.learning_loop.versions import Versions
from ovseg_annotate.lessons.lesson import Lesson
from ovseg_annotate.lessons.phrase_weights import counting_less


class Projects:
    """Projects in the hands of this process until `close`; used by one thread at a time."""

    def __init__(self) -> None:
        self._opened: dict[Path, Project] = {}
        self._lessons: dict[Path, Lesson] = {}  # by file: versions never change
        self._passing: TemporaryDirectory[str] | None = None

    def place(self, folder: Path | None, space: str) -> Path:
        """Where the project of a model is; without a folder it goes with the dock."""
        if folder is None:
            self._passing = self._passing or TemporaryDirectory(prefix="ovseg-learning-")
            folder = Path(self._passing.name)
        return project_folder(folder, space)

    def opened(self, place: Path) -> Project:
        """The project at that place, to be written; no other process may."""
        if place not in self._opened:
            self._opened[place] = Project(place).__enter__()
        return self._opened[place]

    def lesson(self, place: Path) -> Lesson | None:
        """What is in service there; None for the model as it came."""
        versions = Versions(place)
        name = versions.in_service.name
        if not name:
            return None
        path = versions.path_of(name)
        if path not in self._lessons:
            self._lessons[path] = versions.get(name).lesson
        return self._lessons[path]

    def close(self) -> None:
        """Let other processes use the folders; what was in no folder is gone."""
        for project in self._opened.values():
            project.__exit__(None, None, None)
        self._opened.clear()
        if self._passing is not None:
            self._passing.cleanup()
            self._passing = None


def version_offers(versions: Versions) -> tuple[VersionOffer, ...]:
    """All versions with what they promised, the latest first."""
    return tuple(_offer(versions, name) for name in reversed(versions.names))


def _offer(versions: Versions, name: str) -> VersionOffer:
    try:
        card = versions.get(name).card
    except VersionError as error:  # told here, so that the others can still be chosen
        return VersionOffer(name, f"{name} (damaged)", str(error))
    scores = f"{100 * card.after:.1f} instead of {100 * card.before:.1f}"
    pictures = len(card.corrections)
    less = counting_less(card.phrases)
    return VersionOffer(
        name,
        f"{name}: {scores}",
        f"{scores} (held back: {card.held_back})\nlearnt by {card.candidate} from {pictures} "
        f"{'picture' if pictures == 1 else 'pictures'}, {card.created}\n"
        f"taught: {', '.join(each or 'nothing' for each in card.concepts)}"
        + (f"\nphrases that count less: {less}" if less else ""),
    )
