"""The run folder: settings, records and exports of one run.

labels/
├── run.json            the settings, see `settings`
├── records/            one record a picture, see `records`; a picture is finished when it is there
├── suggestions/        the suggestions that people's records took the place of
├── coco/, yolo/, ...   exports, see `exports`
├── exports.json        what was exported
└── .lock               held while a process writes
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from ovseg_annotate.errors import FormatError, RunError
from ovseg_annotate.formats import native
from ovseg_annotate.refused_writes import explained
from ovseg_annotate.regions import AnnotatedImage
from ovseg_annotate.run_folder.exports import ExportReport, Exports
from ovseg_annotate.run_folder.lock import FolderLock
from ovseg_annotate.run_folder.pictures import Fingerprint, Picture
from ovseg_annotate.run_folder.records import (
    PictureState,
    RecordState,
    Standing,
    is_untouched,
    record_path,
    stamp_of,
    standing_of,
    state_of,
    write_record,
)
from ovseg_annotate.run_folder.settings import (
    RunSettings,
    is_run_folder,
    picture_folders,
    refuse_lake,
)
from ovseg_annotate.run_folder.writing import write_whole
from ovseg_annotate.whole_files import remove_leftovers

RECORDS = "records"
SUGGESTIONS = "suggestions"


@dataclass(frozen=True, slots=True)
class Record:
    """What the folder holds about one picture."""

    path: Path
    image: AnnotatedImage
    corrected: bool  # a person's answer, not a suggestion
    source: Path | None  # where the picture was when it was annotated; None: unknown


@dataclass(frozen=True, slots=True)
class Plan:
    """What is left to do."""

    to_do: tuple[Picture, ...]
    finished: tuple[Picture, ...]
    corrected: tuple[Picture, ...]  # never touched


class CorrectedMeanwhileError(RunError):
    """A correction appeared where a suggestion was about to be written."""


class RunReader:
    """Reads a run folder, also while another process writes: records appear whole or not at all."""

    def __init__(self, path: Path) -> None:
        refuse_lake(
            path,
            "this needs a run folder: annotate the pictures of interest without --fleet, or take "
            "the lake's answers out with 'ovseg convert'",
        )
        if not is_run_folder(path):
            raise RunError(
                f"{path} is not a run folder (it has no run.json); give the --out folder of "
                "'ovseg annotate'"
            )
        self.path = path
        self.settings = RunSettings.read(path)

    def __len__(self) -> int:
        return len(self._paths())

    def records(self, spread: int | None = None) -> Iterator[Record]:
        """The records in the order of names, read when asked for; `spread` evenly chosen ones."""
        paths = self._paths()
        if spread is not None and spread < len(paths):
            paths = [paths[number * len(paths) // spread] for number in range(spread)]
        return map(self._read, paths)

    def record_of(self, name: str) -> Record | None:
        """The record of the picture of that name, if there is one."""
        path = record_path(self.path / RECORDS, name)
        return self._read(path) if path.is_file() else None

    def _read(self, path: Path) -> Record:
        try:
            record = native.read_record(path)
        except FormatError as error:
            message = f"{error}. Delete this record to have its picture annotated again"
            raise RunError(message) from error
        by_a_person = record.kind is not native.Kind.SUGGESTION
        return Record(path, record.image, by_a_person, self._source(path, record.image.name))

    def _source(self, path: Path, name: str) -> Path | None:
        stamp = stamp_of(path)
        if stamp is not None:
            return Path(stamp.picture.source)
        # What other tools write, corrections above all, does not tell.
        there = (folder / name for folder in picture_folders(self.path))
        return next((source for source in there if source.is_file()), None)

    def _paths(self) -> list[Path]:
        return sorted((self.path / RECORDS).rglob("*.json"))


class RunFolder:
    """A run folder in the hands of this process, from `__enter__` to `__exit__`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FolderLock(path)
        self._settings = ""  # digest
        self._writing = threading.Lock()  # a person may correct while suggestions are made

    def __enter__(self) -> RunFolder:
        self._lock.__enter__()
        remove_leftovers(self.path)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.__exit__(kind, error, trace)

    def adopt(
        self, settings: RunSettings, pictures: Iterable[Picture] = (), *, replace: bool
    ) -> None:
        """Take the settings of this run; others are refused unless they shall replace these."""
        refuse_lake(self.path, "give --fleet to go on with it, or choose another --out")
        if is_run_folder(self.path) and not replace:
            differences = RunSettings.read(self.path).differences(settings)
            if differences:
                raise RunError(
                    f"{self.path} was made with other settings ({'; '.join(differences)}). Choose "
                    "another --out, or give --replace to make its suggestions again with the new "
                    "ones; corrections are kept"
                )
        settings.write(self.path, {picture.folder for picture in pictures})
        self._settings = settings.digest

    def plan(self, pictures: Iterable[Picture]) -> Plan:
        """Sort the pictures by what is to be done about them."""
        sorted_out: dict[RecordState, list[Picture]] = {state: [] for state in RecordState}
        for picture in pictures:
            path = self.record_path(picture)
            sorted_out[state_of(path, picture, self._settings)].append(picture)
        return Plan(
            tuple(sorted_out[RecordState.TO_DO]),
            tuple(sorted_out[RecordState.FINISHED]),
            tuple(sorted_out[RecordState.CORRECTED]),
        )

    def record_path(self, picture: Picture) -> Path:
        return record_path(self.path / RECORDS, picture.name)

    def save(self, picture: Picture, fingerprint: Fingerprint, image: AnnotatedImage) -> Path:
        """Write the suggestion for a picture; with that, the picture is finished."""
        path = self.record_path(picture)
        with self._writing:
            # Somebody may have saved a correction since the plan was made.
            if state_of(path, picture, self._settings) is RecordState.CORRECTED:
                raise CorrectedMeanwhileError(f"{path} was corrected meanwhile and stays as it is")
            write_record(path, image, self._settings, fingerprint)
        return path

    def standing(self, picture: Picture) -> Standing:
        """Where a picture stands between new and accepted."""
        return standing_of(self.record_path(picture))

    def save_correction(self, image: AnnotatedImage, *, accepted: bool) -> Path:
        """Write a person's answer; the suggestion that it takes the place of is kept aside."""
        path = record_path(self.path / RECORDS, image.name)
        kind = native.Kind.ACCEPTED if accepted else native.Kind.CORRECTION
        with self._writing:
            if path.exists() and is_untouched(path):
                with explained(path):
                    write_whole(self._suggestion_path(image.name), path.read_bytes())
            write_whole(path, native.to_bytes(image, kind))
        return path

    def restore_suggestion(self, picture: Picture) -> PictureState:
        """Put the suggestion back in the place of a person's answer, if there was one."""
        kept, path = self._suggestion_path(picture.name), self.record_path(picture)
        with self._writing:
            if kept.exists():
                with explained(path):
                    write_whole(path, kept.read_bytes())
        return standing_of(path).state

    def _suggestion_path(self, name: str) -> Path:
        return record_path(self.path / SUGGESTIONS, name)

    def export(self, name: str, write: Callable[[Path], object]) -> ExportReport:
        """Let `write` fill a fresh folder and put its files in place, but for a person's."""
        return Exports(self.path).publish(name, write)
