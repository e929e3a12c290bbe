"""What a question is about: a picture, how it is read, and which model is meant."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import TypeVar

from ovseg_annotate.formats.fields import Field
from ovseg_annotate.image import ReadingOptions
from ovseg_annotate.options import read_options
from ovseg_annotate.wire.limits import Limits

DIGEST = re.compile(r"[0-9a-f]{64}")

Options = TypeVar("Options")


@dataclass(frozen=True, slots=True)
class Model:
    """Which model is meant; a server that runs another one must not answer."""

    weights: str | None = None  # EngineCard.weights_digest; None: whatever there is
    lesson: str | None = None  # sha256 of an uploaded lesson
    patient: bool = False  # nobody waits at a screen: others go first

    @classmethod
    def read(cls, source: Field) -> Model:
        weights, patient = source.find("weights"), source.find("patient")
        return cls(
            None if weights is None else weights.text(),
            found_digest(source, "lesson"),
            patient is not None and _truth(patient),
        )

    def plain(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Sight:
    """Which picture is meant, and how its file is read."""

    image: str  # sha256 of the upload
    reading: ReadingOptions = field(default_factory=ReadingOptions)

    @classmethod
    def read(cls, source: Field, limits: Limits) -> Sight:
        reading = options_in(source, "reading", ReadingOptions)
        return cls(digest_in(source.get("image")), limits.of(reading))

    def plain(self) -> dict[str, object]:
        return asdict(self)


def digest_in(source: Field) -> str:
    """A sha256 in 64 hexadecimal digits of lower case."""
    if not DIGEST.fullmatch(source.text()):
        raise source.wrong("the sha256 of an upload, 64 hexadecimal digits in lower case")
    return source.text()


def found_digest(source: Field, name: str) -> str | None:
    found = source.find(name)
    return None if found is None else digest_in(found)


def options_in(source: Field, name: str, kind: type[Options]) -> Options:
    found = source.find(name)
    if found is None:
        return kind()
    if not isinstance(found.value, dict):
        raise found.wrong("an object {...}")
    return read_options(kind, found.value)


def _truth(source: Field) -> bool:
    if not isinstance(source.value, bool):
        raise source.wrong("true or false")
    return source.value
