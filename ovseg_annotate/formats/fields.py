"""Read plain JSON values that came from outside, with errors that say where something is wrong."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from ovseg_annotate.errors import FormatError
from ovseg_annotate.geometry import Size
from ovseg_annotate.plain_data import shown

MAXIMUM_PIXELS = 2**29  # of one picture, as `ReadingOptions` has it: more could not be read
MAXIMUM_FILE_BYTES = 2**30  # of one file that is read at once


@dataclass(frozen=True, slots=True)
class Field:
    """A JSON value and the way to it, such as `tasks.json: [3].data.image`."""

    value: object
    where: str

    def get(self, name: str) -> Field:
        """The member `name`; it has to be there."""
        if not isinstance(self.value, dict):
            raise self.wrong("an object {...}")
        if name not in self.value:
            raise FormatError(f"{self.where}: the field {name!r} is missing")
        return Field(self.value[name], f"{self.where}.{name}")

    def find(self, name: str) -> Field | None:
        """The member `name`, or None where it is missing or null."""
        if not isinstance(self.value, dict):
            raise self.wrong("an object {...}")
        value = self.value.get(name)
        return None if value is None else Field(value, f"{self.where}.{name}")

    def items(self) -> Iterator[Field]:
        """The members of a list."""
        if not isinstance(self.value, list):
            raise self.wrong("a list [...]")
        for number, value in enumerate(self.value):
            yield Field(value, f"{self.where}[{number}]")

    def text(self) -> str:
        if not isinstance(self.value, str):
            raise self.wrong("a text")
        return self.value

    def number(self) -> float:
        """A finite number."""
        if isinstance(self.value, bool) or not isinstance(self.value, (int, float)):
            raise self.wrong("a number")
        try:
            number = float(self.value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise self.wrong("a finite number")
        return number

    def share(self) -> float:
        """A number from 0 to 1."""
        number = self.number()
        if not 0.0 <= number <= 1.0:
            raise self.wrong("a number from 0 to 1")
        return number

    def whole(self, minimum: int = 0, maximum: int = 2**53) -> int:
        """A whole number in a range; 3.0 counts as 3."""
        number = self.number()
        if number != int(number) or not minimum <= number <= maximum:
            raise self.wrong(f"a whole number from {minimum} to {maximum}")
        return int(number)

    def size(self, height: str = "height", width: str = "width") -> Size:
        """The size of a picture from two members, with a limit that guards memory."""
        size = Size(
            height=self.get(height).whole(1, MAXIMUM_PIXELS),
            width=self.get(width).whole(1, MAXIMUM_PIXELS),
        )
        if size.area > MAXIMUM_PIXELS:
            raise FormatError(f"{self.where}: {size} is more than {MAXIMUM_PIXELS} pixels")
        return size

    def wrong(self, expected: str) -> FormatError:
        """The error to raise when the value is not what it should be."""
        return FormatError(f"{self.where}: expected {expected}, got {shown(self.value)}")


def read_json(path: Path) -> Field:
    """Read one JSON file whole."""
    return parse_json(read_bytes(path), str(path))


def read_bytes(path: Path) -> bytes:
    """The content of a file about one picture."""
    try:
        if path.stat().st_size > MAXIMUM_FILE_BYTES:
            raise FormatError(f"{path} has more than {MAXIMUM_FILE_BYTES} bytes for one picture")
        return path.read_bytes()
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:  # a path that some file names, with a character that none may have
        raise FormatError(f"cannot read {str(path)!r}: {error}") from error


def parse_json(data: bytes | str, where: str) -> Field:
    """Read JSON text; NaN and infinity are no JSON and are refused."""
    try:
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data
        return Field(json.loads(text, parse_constant=_no_constant), where)
    except (ValueError, RecursionError) as error:  # JSON and UTF-8 errors are ValueErrors
        raise FormatError(f"{where} is not valid JSON: {error}; it may be truncated") from error


def plain_json(value: object) -> str:
    """One line of JSON in ASCII; not-a-number is an error."""
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    except ValueError as error:
        raise FormatError(f"a value cannot be written as JSON: {error}") from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number that JSON knows")
