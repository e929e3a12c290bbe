"""Corrections as JSON and back: what a line of the journal holds. Masks are COCO's run lengths."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields

from ovseg_annotate.errors import FormatError
from ovseg_annotate.evaluation.effort import Effort
from ovseg_annotate.formats.fields import Field, parse_json, plain_json
from ovseg_annotate.formats.native import mask_in, plain_mask
from ovseg_annotate.geometry import Size
from ovseg_annotate.learning_loop.corrections import Correction, Stated

_SCHEMA = 1


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One thing that was told of a picture."""

    picture: str
    correction: Correction | None  # None: the earlier one was withdrawn
    revision: str = ""  # sorts what is told of one picture, such as a time; "": as it came


def digest_of(correction: Correction | None) -> str:
    """Names the content of an answer; equal for equal answers, whenever they were given."""
    text = plain_json(None if correction is None else _plain(correction))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def entry_bytes(entry: Entry) -> bytes:
    """One line of JSON in ASCII, without its end."""
    plain = {
        "schema": _SCHEMA,
        "picture": entry.picture,
        "revision": entry.revision,
        "correction": None if entry.correction is None else _plain(entry.correction),
    }
    return plain_json(plain).encode("ascii")


def entry_from(data: bytes, where: str) -> Entry:
    """Read what `entry_bytes` gave; `where` names it in errors."""
    field = parse_json(data, where)
    schema = field.get("schema")
    if schema.whole() > _SCHEMA:
        raise FormatError(
            f"{schema.where}: written as schema {schema.value} by a newer version; "
            f"this one reads up to {_SCHEMA}: update ovseg-annotate"
        )
    picture, correction = field.get("picture").text(), field.find("correction")
    return Entry(
        picture,
        None if correction is None else _correction(correction, picture),
        field.get("revision").text(),
    )


def _plain(correction: Correction) -> dict[str, object]:
    return {
        "picture": correction.picture,
        "height": correction.size.height,
        "width": correction.size.width,
        "version": correction.version,
        "accepted": correction.accepted,
        "certain": _plain_areas(correction.certain),
        "rejected": _plain_areas(correction.rejected),
        "effort": asdict(correction.effort),
    }


def _plain_areas(areas: Iterable[Stated]) -> list[dict[str, object]]:
    return [{"concept": each.concept, **plain_mask(each.mask)} for each in areas]


def _correction(field: Field, picture: str) -> Correction:
    size, accepted, effort = field.size(), field.get("accepted"), field.get("effort")
    if not isinstance(accepted.value, bool):
        raise accepted.wrong("true or false")
    return Correction(
        picture=picture,
        size=size,
        version=field.get("version").text(),
        accepted=accepted.value,
        certain=_areas(field.get("certain"), size),
        rejected=_areas(field.get("rejected"), size),
        effort=Effort(*(effort.get(each.name).whole() for each in fields(Effort))),
    )


def _areas(field: Field, size: Size) -> tuple[Stated, ...]:
    return tuple(Stated(item.get("concept").text(), mask_in(item, size)) for item in field.items())
