"""Read CVAT's XML element by element; documents that declare types or entities are refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from xml.parsers import expat

from ovseg_annotate.errors import FormatError
from ovseg_annotate.formats.fields import Field

_CHUNK = 1 << 16  # bytes
_DEEPEST = 32
_LONGEST_TEXT = 1 << 16  # characters; long data stand in attributes


@dataclass(slots=True, eq=False)
class Element:
    """An XML element with what is inside it."""

    tag: str
    attributes: dict[str, str]
    where: str
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def attribute(self, name: str) -> str:
        """An attribute that has to be there."""
        try:
            return self.attributes[name]
        except KeyError:
            raise FormatError(f"{self.where}: the attribute {name!r} is missing") from None

    def number(self, name: str) -> Field:
        """An attribute as a number, for the checks of `Field`."""
        text = self.attribute(name)
        try:
            return Field(float(text), f"{self.where} {name}")
        except ValueError as error:
            raise FormatError(f"{self.where} {name}: {text[:60]!r} is not a number") from error

    def find(self, tag: str) -> Iterator[Element]:
        """All elements of a tag inside, at any depth."""
        for child in self.children:
            if child.tag == tag:
                yield child
            yield from child.find(tag)


def xml_elements(path: Path, wanted: tuple[str, ...]) -> Iterator[Element]:
    """Yield each wanted element as soon as it is complete; nothing else is kept."""
    collector = _Collector(str(path), wanted)
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                collector.feed(chunk, last=False)
                yield from collector.taken()
            collector.feed(b"", last=True)
            yield from collector.taken()
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror or error}") from error
    # Of an encoding that Python does not know, or has no single bytes for, the parser says more.
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise FormatError(f"{path} is not valid XML: {error}; it may be truncated") from error


class _Collector:
    """Builds wanted elements from the parser's calls."""

    def __init__(self, where: str, wanted: tuple[str, ...]) -> None:
        self._where = where
        self._wanted = wanted
        self._open: list[Element] = []  # from the wanted one inwards
        self._depth = 0
        self._complete: list[Element] = []
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.EntityDeclHandler = self._refuse
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters

    def feed(self, chunk: bytes, *, last: bool) -> None:
        self._parser.Parse(chunk, last)

    def taken(self) -> list[Element]:
        complete, self._complete = self._complete, []
        return complete

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise FormatError(f"{self._where}: elements nested more than {_DEEPEST} deep")
        if not self._open and tag not in self._wanted:
            return
        line = self._parser.CurrentLineNumber
        element = Element(tag, attributes, f"{self._where}: line {line} <{tag}>")
        if self._open:
            self._open[-1].children.append(element)
        self._open.append(element)

    def _end(self, _tag: str) -> None:
        self._depth -= 1
        if self._open:
            element = self._open.pop()
            if not self._open:
                self._complete.append(element)

    def _characters(self, text: str) -> None:
        if self._open and len(self._open[-1].text) < _LONGEST_TEXT:
            self._open[-1].text += text

    def _refuse(self, *_declaration: object) -> NoReturn:
        raise FormatError(
            f"{self._where} declares a document type; CVAT files have none, and entities are a "
            "way to exhaust the memory: remove the <!DOCTYPE ...>"
        )
