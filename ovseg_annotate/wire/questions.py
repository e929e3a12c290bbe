"""What can be asked of a session on a server, as JSON.

Pictures, visual examples and lessons are named by the sha256 of what was uploaded, so that a
question is small, however often it is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import ClassVar, Protocol, TypeAlias

from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.errors import FormatError, listed_by_nearness
from ovseg_annotate.formats.fields import Field
from ovseg_annotate.pointing.marks import Mark
from ovseg_annotate.pointing.picking import PickOptions
from ovseg_annotate.region_options import RegionOptions
from ovseg_annotate.vocabulary import Vocabulary
from ovseg_annotate.wire.limits import Limits
from ovseg_annotate.wire.marks import marks_of, plain_mark
from ovseg_annotate.wire.subjects import Model, Sight, found_digest, options_in

Box: TypeAlias = tuple[float, float, float, float]


class Question(Protocol):
    """One of those below."""

    PATH: ClassVar[str]

    @property
    def model(self) -> Model: ...

    def plain(self) -> dict[str, object]: ...


@dataclass(frozen=True, slots=True)
class AnnotateQuestion:
    """`Session.annotate`."""

    PATH: ClassVar[str] = "/annotate"

    sight: Sight
    vocabulary: Vocabulary
    options: AnnotateOptions = field(default_factory=AnnotateOptions)
    examples: str | None = None  # sha256 of uploaded examples
    regions: RegionOptions = field(default_factory=RegionOptions)  # for polygons as JSON
    name: str | None = None  # of the picture, in a record; None: its digest
    model: Model = field(default_factory=Model)

    @classmethod
    def read(cls, source: Field, limits: Limits) -> AnnotateQuestion:
        _check_names(source, cls)
        name = source.find("name")
        return cls(
            Sight.read(source, limits),
            Vocabulary.parse(source.get("vocabulary").text()),
            options_in(source, "options", AnnotateOptions),
            found_digest(source, "examples"),
            options_in(source, "regions", RegionOptions),
            None if name is None else name.text(),
            Model.read(source),
        )

    def plain(self) -> dict[str, object]:
        return {
            **self.sight.plain(),
            **self.model.plain(),
            "vocabulary": str(self.vocabulary),
            "options": asdict(self.options),
            "examples": self.examples,
            "regions": asdict(self.regions),
            "name": self.name,
        }


@dataclass(frozen=True, slots=True, eq=False)
class ExamplesQuestion:
    """`Session.examples`."""

    PATH: ClassVar[str] = "/examples"

    sight: Sight
    marks: Sequence[Mark]
    options: AnnotateOptions = field(default_factory=AnnotateOptions)
    model: Model = field(default_factory=Model)

    @classmethod
    def read(cls, source: Field, limits: Limits) -> ExamplesQuestion:
        _check_names(source, cls)
        return cls(
            Sight.read(source, limits),
            marks_of(source.get("marks"), limits.pixels),
            options_in(source, "options", AnnotateOptions),
            Model.read(source),
        )

    def plain(self) -> dict[str, object]:
        marks = [plain_mark(mark) for mark in self.marks]
        asked = {"marks": marks, "options": asdict(self.options)}
        return {**self.sight.plain(), **self.model.plain(), **asked}


@dataclass(frozen=True, slots=True, eq=False)
class PickQuestion:
    """`Session.pick`."""

    PATH: ClassVar[str] = "/pick"

    sight: Sight
    marks: Sequence[Mark]
    options: PickOptions = field(default_factory=PickOptions)
    vocabulary: Vocabulary | None = None
    model: Model = field(default_factory=Model)

    @classmethod
    def read(cls, source: Field, limits: Limits) -> PickQuestion:
        _check_names(source, cls)
        words = source.find("vocabulary")
        return cls(
            Sight.read(source, limits),
            marks_of(source.get("marks"), limits.pixels),
            options_in(source, "options", PickOptions),
            None if words is None else Vocabulary.parse(words.text()),
            Model.read(source),
        )

    def plain(self) -> dict[str, object]:
        return {
            **self.sight.plain(),
            **self.model.plain(),
            "marks": [plain_mark(mark) for mark in self.marks],
            "options": asdict(self.options),
            "vocabulary": None if self.vocabulary is None else str(self.vocabulary),
        }


@dataclass(frozen=True, slots=True)
class VectorQuestion:
    """`Session.picture_vector`."""

    PATH: ClassVar[str] = "/vector"

    sight: Sight
    options: AnnotateOptions = field(default_factory=AnnotateOptions)
    model: Model = field(default_factory=Model)

    @classmethod
    def read(cls, source: Field, limits: Limits) -> VectorQuestion:
        _check_names(source, cls)
        sight = Sight.read(source, limits)
        return cls(sight, options_in(source, "options", AnnotateOptions), Model.read(source))

    def plain(self) -> dict[str, object]:
        return {**self.sight.plain(), **self.model.plain(), "options": asdict(self.options)}


@dataclass(frozen=True, slots=True)
class EvidenceQuestion:
    """`Session.evidence`."""

    PATH: ClassVar[str] = "/evidence"

    sight: Sight
    vocabulary: Vocabulary
    options: AnnotateOptions
    box: Box  # left, top, right, bottom in px
    model: Model = field(default_factory=Model)

    @classmethod
    def read(cls, source: Field, limits: Limits) -> EvidenceQuestion:
        _check_names(source, cls)
        sides = [side.number() for side in source.get("box").items()]
        if len(sides) != 4:
            raise source.get("box").wrong("[left, top, right, bottom]")
        left, top, right, bottom = sides
        return cls(
            Sight.read(source, limits),
            Vocabulary.parse(source.get("vocabulary").text()),
            options_in(source, "options", AnnotateOptions),
            (left, top, right, bottom),
            Model.read(source),
        )

    def plain(self) -> dict[str, object]:
        return {
            **self.sight.plain(),
            **self.model.plain(),
            "vocabulary": str(self.vocabulary),
            "options": asdict(self.options),
            "box": list(self.box),
        }


@dataclass(frozen=True, slots=True)
class TextQuestion:
    """`Session.text_bank`."""

    PATH: ClassVar[str] = "/text"

    vocabulary: Vocabulary
    contrast: str = "none"
    model: Model = field(default_factory=Model)

    @classmethod
    def read(cls, source: Field, limits: Limits) -> TextQuestion:
        del limits  # it is about no picture
        _check_names(source, cls)
        contrast = source.find("contrast")
        return cls(
            Vocabulary.parse(source.get("vocabulary").text()),
            "none" if contrast is None else contrast.text(),
            Model.read(source),
        )

    def plain(self) -> dict[str, object]:
        asked = {"vocabulary": str(self.vocabulary), "contrast": self.contrast}
        return {**self.model.plain(), **asked}


def field_names(kind: type[object]) -> tuple[str, ...]:
    """The members of the JSON of a question."""
    names: list[str] = []
    for each in fields(kind):  # type: ignore[arg-type]
        parts = {"sight": Sight, "model": Model}.get(each.name)
        names += [each.name] if parts is None else [part.name for part in fields(parts)]
    return tuple(names)


def _check_names(source: Field, kind: type[object]) -> None:
    if not isinstance(source.value, dict):
        raise source.wrong("an object {...}")
    known = field_names(kind)
    for name in source.value:
        if name not in known:
            raise FormatError(
                f"{source.where}: unknown field {name!r}; there is: "
                f"{listed_by_nearness(name, known)}"
            )
