"""One record a picture, which says in its first line what it was made from.

A record of the run folder is a record of `formats.native` with one more key in front,
`made_from`, on a line of its own: resuming reads that line only. It holds the sha256 of the rest,
so that a record which anybody has changed since is recognised and left alone, and so is a
correction, whoever wrote it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from ovseg_annotate.errors import FormatError
from ovseg_annotate.formats import native
from ovseg_annotate.overlay.shares import area_of
from ovseg_annotate.plain_data import json_value
from ovseg_annotate.refused_writes import explained
from ovseg_annotate.regions import AnnotatedImage
from ovseg_annotate.run_folder.pictures import Fingerprint, Picture
from ovseg_annotate.run_folder.writing import write_whole

_START = b'{"made_from": '
_LONGEST_FIRST_LINE = 16_384
_BY_A_PERSON = {
    kind: f'{{"schema":{native.SCHEMA},"kind":"{kind}",'.encode()
    for kind in (native.Kind.CORRECTION, native.Kind.ACCEPTED)
}


class RecordState(StrEnum):
    """What to do about a picture."""

    TO_DO = "to do"  # no record, or a suggestion for another file or by other settings
    FINISHED = "finished"
    CORRECTED = "corrected"  # a correction, or a record that was changed by hand: never touched


class PictureState(StrEnum):
    """How far a picture has come on its way to a person's answer."""

    NEW = "new"  # no record
    SUGGESTED = "suggested"
    CORRECTED = "corrected"  # a person changed it, and may not be done with it
    ACCEPTED = "accepted"


@dataclass(frozen=True, slots=True)
class Standing:
    """What a list of pictures tells about one of them."""

    state: PictureState
    margin: float | None = None  # 0 to 1, of the suggestion; None: not known


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a suggestion was made from."""

    settings: str  # RunSettings.digest
    picture: Fingerprint
    rest: str  # sha256 of the record behind its first line
    margin: float | None = None  # 0 to 1, mean over all regions; None: no regions, or not known

    @classmethod
    def from_plain(cls, plain: Mapping[str, object]) -> Stamp:
        picture, margin = plain["picture"], plain.get("margin")
        if not isinstance(picture, Mapping):
            raise TypeError(f"expected a table, got {picture!r}")
        return cls(
            str(plain["settings"]),
            Fingerprint(**picture),
            str(plain["rest"]),
            float(margin) if isinstance(margin, (int, float)) else None,
        )


def record_path(records: Path, name: str) -> Path:
    """Where the record of a picture lies: `records/<its name>.json`."""
    return records / f"{name}.json"


def write_record(path: Path, image: AnnotatedImage, settings: str, picture: Fingerprint) -> None:
    """Write the suggestion for a picture, whole or not at all."""
    rest = native.to_bytes(image, native.Kind.SUGGESTION).removeprefix(b"{")
    stamp = Stamp(settings, picture, hashlib.sha256(rest).hexdigest(), mean_margin(image))
    first_line = _START + json.dumps(asdict(stamp), ensure_ascii=True).encode() + b",\n"
    write_whole(path, first_line + rest)


def state_of(path: Path, picture: Picture, settings: str) -> RecordState:
    """Whether the picture has to be annotated, and may be."""
    if not path.exists():
        return RecordState.TO_DO
    stamp = stamp_of(path)
    if stamp is None:
        return RecordState.CORRECTED
    if stamp.settings == settings and stamp.picture.still_holds(picture.path):
        return RecordState.FINISHED
    return RecordState.TO_DO if _is_as_written(path, stamp) else RecordState.CORRECTED


def stamp_of(path: Path) -> Stamp | None:
    """The stamp of a record; None when this program did not write the file as it is."""
    with explained(path), path.open("rb") as file:
        return _stamp_in(file.readline(_LONGEST_FIRST_LINE))


def _stamp_in(line: bytes) -> Stamp | None:
    if not line.startswith(_START):
        return None
    try:
        return Stamp.from_plain(json_value(line.removeprefix(_START).rstrip(b",\n")))
    except (ValueError, KeyError, TypeError):
        return None


def standing_of(path: Path) -> Standing:
    """Where the picture of a record stands; reads one line of most records."""
    try:
        with path.open("rb") as file:
            line = file.readline(_LONGEST_FIRST_LINE)
    except FileNotFoundError:
        return Standing(PictureState.NEW)
    except OSError:
        return Standing(PictureState.CORRECTED)  # opening it will say what is wrong
    stamp = _stamp_in(line)
    if stamp is not None:
        return Standing(PictureState.SUGGESTED, stamp.margin)
    if line.startswith(_BY_A_PERSON[native.Kind.CORRECTION]):
        return Standing(PictureState.CORRECTED)
    if line.startswith(_BY_A_PERSON[native.Kind.ACCEPTED]) or _is_accepted(path):
        return Standing(PictureState.ACCEPTED)
    return Standing(PictureState.CORRECTED)


def is_untouched(path: Path) -> bool:
    """Whether the record is a suggestion that nobody changed."""
    stamp = stamp_of(path)
    return stamp is not None and _is_as_written(path, stamp)


def mean_margin(image: AnnotatedImage) -> float | None:
    """How clearly the regions won on average, by area; None when none of them tells."""
    known = [
        (region.margin, area_of(region)) for region in image.regions if region.margin is not None
    ]
    total = sum(area for _, area in known)
    return sum(margin * area for margin, area in known) / total if total else None


def _is_accepted(path: Path) -> bool:
    """For records that other programs wrote in their own way."""
    try:
        return native.read_record(path).kind is native.Kind.ACCEPTED
    except FormatError:
        return False


def _is_as_written(path: Path, stamp: Stamp) -> bool:
    digest = hashlib.sha256()
    with explained(path), path.open("rb") as file:
        file.readline(_LONGEST_FIRST_LINE)
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest() == stamp.rest
