"""Walk through a JSON file that is too big to hold, one element of its long lists at a time."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ovseg_annotate.errors import FormatError
from ovseg_annotate.formats.fields import Field, parse_json

_CHUNK = 1 << 16  # bytes
_LONGEST_ELEMENT = 1 << 29  # characters
_SPACE = " \t\r\n"


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a top-level list, or one member of the top-level object that is no list."""

    key: str  # of the member; "" when the file is a list
    field: Field
    start: int  # byte in the file, to read it again with `element_at`
    length: int  # bytes


def elements(path: Path) -> Iterator[Element]:
    """Yield the elements of all top-level lists (and other members whole), in file order."""
    try:
        with path.open("rb") as file:
            yield from _Walk(file, str(path)).run()
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror or error}") from error


def element_at(file: BinaryIO, start: int, length: int, where: str) -> Field:
    """Read one element again."""
    file.seek(start)
    return parse_json(file.read(length), where)


class _Walk:
    """A cursor over the text of the file; holds one chunk, or one element if that is longer."""

    def __init__(self, file: BinaryIO, where: str) -> None:
        self._file = file
        self._where = where
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._decoder = json.JSONDecoder(parse_constant=self._no_constant)
        self._text = ""
        self._at = 0  # character in `_text`
        self._byte = 0  # of that character in the file
        self._ended = False

    def run(self) -> Iterator[Element]:
        self._more()
        if self._text.startswith("\ufeff"):
            self._pass(1)
        first = self._next()
        if first == "[":
            yield from self._list("")
        elif first == "{":
            yield from self._object()
        else:
            raise self._error("expected a list [...] or an object {...}")
        if self._next():
            raise self._error("expected the end of the file")

    def _object(self) -> Iterator[Element]:
        self._pass(1)
        while self._next() != "}":
            key = self._value()[0]
            if not isinstance(key, str):
                raise self._error("expected the name of a field")
            self._take(":")
            if self._next() == "[":
                yield from self._list(key)
            else:
                value, start = self._value()
                field = Field(value, f"{self._where}: {key}")
                yield Element(key, field, start, self._byte - start)
            if self._next() != "}":
                self._take(",")
        self._pass(1)

    def _list(self, key: str) -> Iterator[Element]:
        self._pass(1)
        number = 0
        while self._next() != "]":
            value, start = self._value()
            field = Field(value, f"{self._where}: {key}[{number}]")
            yield Element(key, field, start, self._byte - start)
            number += 1
            if self._next() != "]":
                self._take(",")
        self._pass(1)

    def _value(self) -> tuple[object, int]:
        """Decode the next value, reading on until it is complete."""
        self._next()
        start = self._byte
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except (ValueError, RecursionError) as error:
                # It may only be cut off by the chunk; twice the text each time keeps this linear.
                if not self._more():
                    raise self._error(str(error)) from error
                continue
            # A number at the end of the chunk may go on in the next one.
            if end < len(self._text) or not self._more():
                self._pass(end - self._at)
                return value, start

    def _next(self) -> str:
        """The next character that is no space; "" at the end."""
        while True:
            while self._at < len(self._text):
                character = self._text[self._at]
                if character not in _SPACE:
                    return character
                self._pass(1)
            if not self._more():
                return ""

    def _take(self, wanted: str) -> None:
        if self._next() != wanted:
            raise self._error(f"expected {wanted!r}")
        self._pass(1)

    def _pass(self, count: int) -> None:
        end = self._at + count
        passed = self._text[self._at : end]
        self._byte += count if passed.isascii() else len(passed.encode("utf-8", "surrogatepass"))
        self._at = end

    def _more(self) -> bool:
        """Drop what was passed and read as much again as is left, at least a chunk."""
        if self._ended:
            return False
        left = self._text[self._at :]
        if len(left) > _LONGEST_ELEMENT:
            raise self._error("one element is too long to be an annotation")
        data = self._file.read(max(_CHUNK, len(left)))
        self._ended = not data
        try:
            self._text = left + self._utf8.decode(data, final=self._ended)
        except UnicodeDecodeError as error:
            raise self._error(str(error)) from error
        self._at = 0
        return bool(data)

    def _error(self, message: str) -> FormatError:
        return FormatError(
            f"{self._where} is not valid JSON at byte {self._byte}: {message}; it may be truncated"
        )

    def _no_constant(self, name: str) -> object:
        raise self._error(f"{name} is not a number that JSON knows")
