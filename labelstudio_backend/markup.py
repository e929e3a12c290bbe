"""A labeling config as a tree of tags: XML without its dangers.

Document types, and with them every entity that a text could define or fetch, are refused; size and
depth have limits. Names of tags and attributes are in lower case, as Label Studio compares them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from xml.parsers import expat

from labelstudio_backend.errors import LabelConfigError

MAXIMUM_CHARACTERS = 2**20
MAXIMUM_DEPTH = 64
MAXIMUM_TAGS = 50_000


@dataclass(frozen=True, slots=True)
class Tag:
    """One element with what is inside it."""

    name: str
    attributes: Mapping[str, str]
    children: tuple[Tag, ...]
    line: int

    def get(self, attribute: str) -> str | None:
        """The trimmed text of an attribute; None where it is missing or blank."""
        text = self.attributes.get(attribute, "").strip()
        return text or None

    def is_set(self, attribute: str) -> bool:
        return (self.get(attribute) or "").casefold() in ("true", "1", "yes")

    def walk(self) -> Iterator[Tag]:
        """The tag and all below it, in the order of the text."""
        yield self
        for child in self.children:
            yield from child.walk()


def read_markup(text: str) -> Tag:
    """Parse a labeling config; raises `LabelConfigError`."""
    if len(text) > MAXIMUM_CHARACTERS:
        raise LabelConfigError(
            f"the labeling config has {len(text):,} characters; at most {MAXIMUM_CHARACTERS:,} "
            "are read"
        )
    if not text.strip():
        raise LabelConfigError(
            "the labeling config is empty; give the project one in its settings, under Labeling "
            "Interface"
        )
    builder = _Builder()
    try:
        builder.parser.Parse(text.encode("utf-8"), True)  # noqa: FBT003  its own signature
    except expat.ExpatError as error:
        raise LabelConfigError(f"the labeling config is not valid XML: {error}") from error
    except UnicodeEncodeError as error:
        raise LabelConfigError("the labeling config holds half a character") from error
    return builder.root()


class _Builder:
    """Collects tags from the innermost outwards."""

    def __init__(self) -> None:
        # Named, because a declaration in a text that is already decoded says nothing.
        self.parser = expat.ParserCreate("utf-8")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.StartDoctypeDeclHandler = self._doctype
        self._open: list[tuple[str, dict[str, str], int]] = []
        self._inside: list[list[Tag]] = [[]]
        self._count = 0

    def root(self) -> Tag:
        return self._inside[0][0]

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > MAXIMUM_TAGS or len(self._open) >= MAXIMUM_DEPTH:
            raise LabelConfigError(
                f"the labeling config has more than {MAXIMUM_TAGS} tags, or tags nested more than "
                f"{MAXIMUM_DEPTH} deep, at line {self.parser.CurrentLineNumber}; simplify it"
            )
        lowered: dict[str, str] = {}
        for key, value in attributes.items():
            lowered.setdefault(key.lower(), value)
        self._open.append((name.lower(), lowered, self.parser.CurrentLineNumber))
        self._inside.append([])

    def _end(self, name: str) -> None:
        del name
        lowered, attributes, line = self._open.pop()
        children = tuple(self._inside.pop())
        self._inside[-1].append(Tag(lowered, MappingProxyType(attributes), children, line))

    def _doctype(self, *declared: object) -> None:
        del declared
        raise LabelConfigError(
            "the labeling config begins with <!DOCTYPE ...>; remove it: Label Studio needs none, "
            "and it could make the reader fetch or multiply texts"
        )
