"""The lake: what a fleet writes, in parts that are there as a whole or not at all.

labels/
├── lake.json                                       the settings, as in a run folder
├── pictures/settings=<digest>/part-<id>.parquet    one row a picture, see `schema`
├── regions/settings=<digest>/part-<id>.parquet     one row a region
└── masks/settings=<digest>/part-<id>.parquet       one row a region: its exact pixels

A part is named by the pictures in it, so that writing it twice gives one part. Its file under
pictures/ is written last and removed first: with it the part is there, and without it whatever
else there is of the part is written anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ovseg_annotate._version import __version__
from ovseg_annotate.errors import FormatError, OptionError, RunError
from ovseg_annotate.formats.fields import Field
from ovseg_annotate.lake.parquet import parquet_bytes, read_parquet
from ovseg_annotate.lake.rows import Answer, FileState, Tables, tables_of
from ovseg_annotate.lake.schema import MOST_PICTURES, SCHEMA, State, Table
from ovseg_annotate.lake.storage import Storage
from ovseg_annotate.plain_data import json_text, json_value
from ovseg_annotate.run_folder import RunSettings
from ovseg_annotate.run_folder.lock import FolderLock
from ovseg_annotate.run_folder.settings import FILE_NAME as RUN_FILE_NAME
from ovseg_annotate.run_folder.settings import LAKE_FILE_NAME

if TYPE_CHECKING:
    import pyarrow as pa

_SUFFIX = ".parquet"
_READERS = 16  # small files read side by side: buckets answer late, not slowly
_INDEX_COLUMNS = ["name", "source", "bytes", "stamp", "state"]


@dataclass(frozen=True, slots=True)
class KnownPicture:
    """What the lake tells of one picture."""

    name: str
    file: FileState
    state: State


@dataclass(frozen=True, slots=True)
class KnownPart:
    """What the lake tells of the pictures of one part."""

    part: str
    pictures: tuple[KnownPicture, ...]


def order_of(name: str) -> tuple[str, ...]:
    """Sorts pictures as the records of a run folder lie, so that both give the same exports."""
    return tuple(f"{name}.json".split("/"))


def part_id(names: Iterable[str]) -> str:
    """Named by what is in it: the same pictures are the same part, whoever writes it."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:20]


def is_lake(address: str) -> bool:
    """Whether there is a lake at a path or an address."""
    try:
        return Storage(address).exists(LAKE_FILE_NAME)
    except OptionError:
        return False  # nobody could have written one there


class Lake:
    """A lake to write to. On a disk, one process at a time; see `held`."""

    def __init__(self, storage: Storage, settings: RunSettings, part_pictures: int) -> None:
        self.storage = storage
        self.settings = settings
        self.part_pictures = part_pictures  # the most pictures of a part

    @classmethod
    def adopted(
        cls, storage: Storage, settings: RunSettings, part_pictures: int, *, replace: bool
    ) -> Lake:
        """Take a place for these settings; others are refused unless they shall be replaced."""
        if storage.exists(RUN_FILE_NAME):
            raise RunError(
                f"{storage.address} is a run folder, and a fleet writes a lake; choose another "
                "--out, or leave --fleet out to go on with the run folder"
            )
        if storage.exists(LAKE_FILE_NAME):
            before, kept = read_settings(storage)
            differences = before.differences(settings)
            if differences and not replace:
                raise RunError(
                    f"{storage.address} was made with other settings ({'; '.join(differences)}). "
                    "Choose another --out, or give --replace to make all of it again"
                )
            part_pictures = part_pictures if differences else kept
        _write_settings(storage, settings, part_pictures)
        lake = cls(storage, settings, part_pictures)
        lake._remove_other_settings()
        lake._remove_unfinished()
        return lake

    def known(self) -> Iterator[KnownPart]:
        """What the parts tell of their pictures, part by part."""
        return _index(self.storage, self.settings.digest)

    def write_part(self, answers: Sequence[Answer], kept: Sequence[str] = ()) -> str:
        """Put the answers in place as one part; `kept` are pictures it has whose rows stay."""
        names = sorted((*(answer.name for answer in answers), *kept), key=order_of)
        part = part_id(names)
        tables = tables_of(sorted(answers, key=lambda answer: order_of(answer.name)))
        if kept:
            before = tables_of_part(self.storage, self.settings.digest, part)
            tables = _merged(before, tables, kept, names)
        last, content = self._file(Table.PICTURES, part), parquet_bytes(tables[Table.PICTURES])
        if self.storage.exists(last):
            # Another try, or a worker of a command that was killed, may have been quicker.
            if self.storage.read(last) == content:
                return part
            self.storage.remove(last)
        for table in (Table.MASKS, Table.REGIONS):
            self.storage.write(self._file(table, part), parquet_bytes(tables[table]))
        self.storage.write(last, content)
        return part

    def _file(self, table: Table, part: str) -> str:
        return _file_name(table, self.settings.digest, part)

    def _remove_other_settings(self) -> None:
        mine = f"/settings={self.settings.digest}/"
        for table in Table:
            names = self.storage.names(table, _SUFFIX)
            for folder in sorted({name.rpartition("/")[0] for name in names if mine not in name}):
                self.storage.remove_folder(folder)

    def _remove_unfinished(self) -> None:
        """What a killed command left of parts: others who read the folders would count it."""
        finished = set(parts_in(self.storage, self.settings.digest, Table.PICTURES))
        for table in (Table.REGIONS, Table.MASKS):
            for part in parts_in(self.storage, self.settings.digest, table):
                if part not in finished:
                    self.storage.remove(self._file(table, part))


def held(storage: Storage) -> AbstractContextManager[object]:
    """Keeps a second command out of a lake on a disk; buckets know no such thing."""
    return nullcontext() if storage.local is None else FolderLock(storage.local)


def read_settings(storage: Storage) -> tuple[RunSettings, int]:
    """The settings of a lake, and the most pictures of its parts."""
    where = f"{storage.address}/{LAKE_FILE_NAME}"
    try:
        document = json_value(storage.read(LAKE_FILE_NAME))
        if document["ovseg_lake"] > SCHEMA:
            raise RunError(
                f"{where} is of schema {document['ovseg_lake']}; this is ovseg-annotate "
                f"{__version__}, which reads up to {SCHEMA}: use the version that wrote it, "
                f"{document.get('version', 'unknown')}"
            )
        settings = RunSettings.from_plain(document["settings"])
        most = Field(document["part_pictures"], "part_pictures").whole(1, MOST_PICTURES)
        return settings, most
    except (ValueError, KeyError, TypeError, OptionError, FormatError) as error:
        raise RunError(
            f"cannot read the settings in {where}: {error}. Delete that one file and give the "
            "command again with --replace"
        ) from error


def parts_in(storage: Storage, settings: str, table: Table) -> list[str]:
    """The parts that have a file of this table."""
    names = storage.names(f"{table}/settings={settings}", _SUFFIX)
    return [name.rpartition("/part-")[2].removesuffix(_SUFFIX) for name in names]


def tables_of_part(storage: Storage, settings: str, part: str) -> Tables:
    """All rows of one part."""
    return {
        table: _read_table(storage, _file_name(table, settings, part), table) for table in Table
    }


def _write_settings(storage: Storage, settings: RunSettings, part_pictures: int) -> None:
    document = {
        "ovseg_lake": SCHEMA,
        "version": __version__,
        "settings_digest": settings.digest,
        "part_pictures": part_pictures,
        "settings": asdict(settings),
    }
    storage.write(LAKE_FILE_NAME, f"{json_text(document, indent=1)}\n".encode())


def _index(storage: Storage, settings: str) -> Iterator[KnownPart]:
    parts = parts_in(storage, settings, Table.PICTURES)

    def read(part: str) -> KnownPart:
        name = _file_name(Table.PICTURES, settings, part)
        rows = _read_table(storage, name, Table.PICTURES, _INDEX_COLUMNS)
        where = f"{storage.address}/{name}"
        if not 0 < rows.num_rows <= MOST_PICTURES:
            raise RunError(
                f"{where} is about {rows.num_rows:,} pictures; a part has 1 to {MOST_PICTURES:,}"
            )
        return KnownPart(part, tuple(_known(row, where) for row in rows.to_pylist()))

    with ThreadPoolExecutor(_READERS, "ovseg-index") as pool:
        for start in range(0, len(parts), _READERS):  # never more of them than are asked for
            yield from pool.map(read, parts[start : start + _READERS])


def _known(row: Mapping[str, Any], where: str) -> KnownPicture:
    told = Field(row, where)
    size, state = told.find("bytes"), told.get("state")
    if state.value not in tuple(State):
        raise state.wrong(f"one of {', '.join(State)}")
    file = FileState(
        told.get("source").text(), None if size is None else size.whole(), told.get("stamp").text()
    )
    return KnownPicture(told.get("name").text(), file, State(state.text()))


def _file_name(table: Table, settings: str, part: str) -> str:
    return f"{table}/settings={settings}/part-{part}{_SUFFIX}"


def _read_table(
    storage: Storage, name: str, table: Table, columns: Sequence[str] | None = None
) -> pa.Table:
    data = storage.read(name)
    try:
        return read_parquet(data, table, columns)
    except FormatError as error:
        part = name.rpartition("/part-")[2].removesuffix(_SUFFIX)
        raise RunError(
            f"{storage.address}/{name}: {error}; remove the file of part {part} in pictures/ and "
            "give the command that wrote it again"
        ) from error


def _merged(before: Tables, new: Tables, kept: Sequence[str], names: Sequence[str]) -> Tables:
    """The rows of some pictures from before with those of the others, in the order of names."""
    import pyarrow as pa  # noqa: PLC0415  only fleets and lakes need it
    import pyarrow.compute as pc  # noqa: PLC0415

    place = {name: number for number, name in enumerate(names)}
    merged = {}
    for table in Table:
        key = "name" if table is Table.PICTURES else "picture"
        stays = pc.is_in(before[table][key], value_set=pa.array(kept, pa.string()))
        rows = pa.concat_tables([before[table].filter(stays), new[table]])
        places = np.array([place[name] for name in rows[key].to_pylist()], np.int64)
        merged[table] = rows.take(np.argsort(places, kind="stable")).combine_chunks()
    return merged
