"""What the learning door knows of a project between starts: a small file beside its journal."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from ovseg_annotate.errors import FormatError
from ovseg_annotate.formats.fields import read_json
from ovseg_annotate.refused_writes import explained
from ovseg_annotate.whole_files import write_whole

FILE_NAME = "label-studio.json"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DoorState:
    """Which project a folder belongs to, and how far its suggestions are."""

    project: int  # its number
    uid: str  # as Label Studio names it to backends
    server: str
    renewed: str | None = None  # digest of the lesson that open tasks were suggested with; "": none


def read_state(folder: Path) -> DoorState | None:
    """What was written; None where nothing was, or it is damaged: then it is found out anew."""
    path = folder / FILE_NAME
    if not path.is_file():
        return None
    try:
        found = read_json(path)
        renewed = found.find("renewed")
        return DoorState(
            found.get("project").whole(),
            found.get("uid").text(),
            found.get("server").text(),
            None if renewed is None else renewed.text(),
        )
    except FormatError as error:
        _log.warning("%s; what the open tasks of the project hold is looked up again", error)
        return None


def write_state(folder: Path, state: DoorState) -> None:
    with explained(folder / FILE_NAME):
        write_whole(folder / FILE_NAME, json.dumps(asdict(state)).encode() + b"\n")


def states_in(folder: Path, server: str) -> Iterator[DoorState]:
    """The projects of a server that have a folder here."""
    for path in sorted(folder.glob(f"*/{FILE_NAME}")):
        state = read_state(path.parent)
        if state is not None and state.server == server:
            yield state
