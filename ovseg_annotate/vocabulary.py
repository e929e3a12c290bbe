r"""What a person wants labelled: concepts, the phrases that mean them, and the grammar to type it.

    nucleus: cell nucleus, dark round nucleus; cytoplasm @0.4 #ffaa00; -glass slide

`;` or a new line ends a concept; `:` introduces its phrases, `,` separates them; `@` is its own
threshold, `#rrggbb` its colour; a leading `-` makes a negative concept, which competes for pixels
and is never labelled. A name alone is its own phrase. Text between double quotes is taken as it
is (`\"` and `\\` inside).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from ovseg_annotate.errors import VocabularyError
from ovseg_annotate.plain_data import shown, yaml_value
from ovseg_annotate.plain_text import is_text

Colour: TypeAlias = tuple[int, int, int]

MAXIMUM_CONCEPTS = 65_534  # labels are at most uint16 and 0 means unlabelled

_SPECIAL = frozenset(';:,@#"\\\n\r')
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[;:,@#\n]|[^;:,@#\n"]+|"')
_GOLDEN_TURN = 0.618033988749895


@dataclass(frozen=True, slots=True)
class Concept:
    """One thing to label: the name people see and the phrases the text tower reads."""

    name: str
    phrases: tuple[str, ...] = ()  # empty on input means: the name is its own phrase
    negative: bool = False  # competes for pixels and is never labelled
    threshold: float | None = None  # None: the threshold of the run
    colour: Colour | None = None  # None: the vocabulary gives one by position

    def __post_init__(self) -> None:
        name = _tidied(self.name)
        if not name:
            raise VocabularyError("a concept needs a name; got an empty one")
        phrases = tuple(dict.fromkeys(_tidied(phrase) for phrase in self.phrases or (name,)))
        if not all(phrases):
            raise VocabularyError(
                f"concept {shown(name)} has an empty phrase; remove it or name it"
            )
        if not all(map(is_text, (name, *phrases))):
            raise VocabularyError(
                f"concept {shown(name)} has a character that is no text; is it from a terminal or "
                "a file that is not in UTF-8?"
            )
        if self.threshold is not None and not 0.0 <= self.threshold <= 1.0:
            raise VocabularyError(
                f"concept {shown(name)}: threshold {self.threshold:g} is out of range; "
                "write a number from 0 to 1, such as @0.4"
            )
        if self.colour is not None and not all(0 <= part <= 255 for part in self.colour):
            raise VocabularyError(f"concept {shown(name)}: colour parts go from 0 to 255")
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "phrases", phrases)

    def __str__(self) -> str:
        text = ("-" if self.negative else "") + _quoted(self.name)
        if self.phrases != (self.name,):
            text += ": " + ", ".join(_quoted(phrase) for phrase in self.phrases)
        if self.threshold is not None:
            text += f" @{self.threshold!r}"
        if self.colour is not None:
            text += " #{:02x}{:02x}{:02x}".format(*self.colour)
        return text


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Concepts in order: concept number k (from 0) is label k + 1; label 0 is unlabelled."""

    concepts: tuple[Concept, ...]

    def __post_init__(self) -> None:
        if not any(not concept.negative for concept in self.concepts):
            raise VocabularyError(
                "nothing to label: name at least one concept without a leading '-', "
                'for example "car; road; -sky"'
            )
        if len(self.concepts) > MAXIMUM_CONCEPTS:
            raise VocabularyError(
                f"{len(self.concepts)} concepts; a label map holds {MAXIMUM_CONCEPTS}: "
                "split the list into several runs"
            )
        seen: dict[str, str] = {}
        for concept in self.concepts:
            key = concept.name.casefold()
            if key in seen:
                raise VocabularyError(
                    f"concept {shown(concept.name)} stands twice (also as {shown(seen[key])}); "
                    "put its phrases behind one name: 'name: phrase, phrase'"
                )
            seen[key] = concept.name

    @classmethod
    def parse(cls, text: str) -> Vocabulary:
        """Read the grammar at the top of this file."""
        concepts = tuple(_concept(item) for item in _items(text))
        if not concepts:
            raise VocabularyError(
                'no words given; type concepts separated by ";", for example "car; road; sky"'
            )
        return cls(concepts)

    @classmethod
    def read(cls, path: str | Path) -> Vocabulary:
        """Read a YAML file (`.yaml`, `.yml`) or a text file in the grammar."""
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise VocabularyError(f"cannot read the vocabulary {path}: {error}") from error
        is_yaml = path.suffix.casefold() in (".yaml", ".yml")
        try:
            return _from_yaml(text) if is_yaml else cls.parse(text)
        except VocabularyError as error:
            raise VocabularyError(f"{path}: {error}") from error

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(concept.name for concept in self.concepts)

    @property
    def phrases(self) -> tuple[str, ...]:
        """All phrases of all concepts, in order; a phrase of two concepts stands twice."""
        return tuple(phrase for concept in self.concepts for phrase in concept.phrases)

    @property
    def phrase_owners(self) -> tuple[int, ...]:
        """For each entry of `phrases`, the number of its concept."""
        return tuple(
            number for number, concept in enumerate(self.concepts) for _ in concept.phrases
        )

    @property
    def labels(self) -> tuple[int, ...]:
        """The label values that can occur in a label map: those of concepts not negative."""
        return tuple(
            number + 1 for number, concept in enumerate(self.concepts) if not concept.negative
        )

    @property
    def colours(self) -> tuple[Colour, ...]:
        """One colour a concept: its own, or one by position that differs from its neighbours."""
        return tuple(
            concept.colour or colour_by_position(number)
            for number, concept in enumerate(self.concepts)
        )

    def with_competitors(self, phrases: Iterable[str], name: str = "anything else") -> Vocabulary:
        """Add one negative concept of contrast phrases, less those that the user asks for."""
        asked = {phrase.casefold() for phrase in self.phrases}
        asked |= {concept.name.casefold() for concept in self.concepts}
        left = tuple(phrase for phrase in phrases if _tidied(phrase).casefold() not in asked)
        if not left:
            return self
        while name.casefold() in asked:
            name += " (contrast)"
        return Vocabulary((*self.concepts, Concept(name, left, negative=True)))

    def to_yaml(self) -> str:
        """The vocabulary as a YAML file that `read` reads back equal."""
        import yaml  # noqa: PLC0415  a tenth of the import budget, needed for files only

        return str(
            yaml.safe_dump(
                {"concepts": [_as_plain(concept) for concept in self.concepts]},
                sort_keys=False,
                allow_unicode=True,
            )
        )

    def __len__(self) -> int:
        return len(self.concepts)

    def __iter__(self) -> Iterator[Concept]:
        return iter(self.concepts)

    def __str__(self) -> str:
        return "; ".join(str(concept) for concept in self.concepts)


def colour_by_position(number: int) -> Colour:
    """A bright colour; neighbours in the list are far apart in hue (golden-ratio steps)."""
    import colorsys  # noqa: PLC0415

    hue = (0.02 + number * _GOLDEN_TURN) % 1.0
    lightness, saturation = ((0.55, 0.85), (0.70, 0.75), (0.40, 0.80))[number // 12 % 3]
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, saturation)
    return round(red * 255), round(green * 255), round(blue * 255)


def _tidied(text: str) -> str:
    return " ".join(text.split())


def _quoted(text: str) -> str:
    if text.startswith("-") or any(mark in _SPECIAL for mark in text):
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return text


def _items(text: str) -> Iterator[list[str]]:
    """Split a text into concepts, each a list of tokens; empty ones are dropped."""
    item: list[str] = []
    for mark in _TOKEN.findall(text.replace("\r\n", "\n").replace("\r", "\n")):
        if mark == '"':
            raise VocabularyError(f"a double quote is not closed in {shown(text)}")
        if mark in (";", "\n"):
            if any(part.strip() for part in item):
                yield item
            item = []
        else:
            item.append(mark)
    if any(part.strip() for part in item):
        yield item


def _concept(tokens: list[str]) -> Concept:
    negative = False
    first = next(index for index, token in enumerate(tokens) if token.strip())
    if tokens[first].lstrip().startswith("-"):
        negative = True
        tokens = [*tokens[:first], tokens[first].lstrip()[1:], *tokens[first + 1 :]]
    source = shown("".join(tokens).strip())
    fields = {"name": [""], ":": [], "@": [], "#": []}  # what each mark has collected
    current = "name"
    for part in tokens:
        if part in (":", "@", "#"):
            if fields[part]:
                raise VocabularyError(
                    f"{part!r} stands twice in {source}; put double quotes round text that "
                    "contains it"
                )
            fields[part] = [""]
            current = part
        elif part == ",":
            if current != ":":
                raise VocabularyError(
                    f"a ',' in {source} stands before any ':'; write 'name: phrase, phrase', "
                    "separate concepts with ';', or put the name in double quotes"
                )
            fields[":"].append("")
        else:
            fields[current][-1] = _joined(fields[current][-1], part)
    if fields[":"] and not any(phrase.strip() for phrase in fields[":"]):
        raise VocabularyError(f"no phrase after ':' in {source}; remove the ':' or add one")
    return Concept(
        name=fields["name"][0],
        phrases=tuple(phrase for phrase in fields[":"] if phrase.strip()),
        negative=negative,
        threshold=_threshold(fields["@"], source),
        colour=_colour(fields["#"], source),
    )


def _joined(before: str, token: str) -> str:
    if token.startswith('"') and len(token) > 1:
        return before + re.sub(r"\\(.)", r"\1", token[1:-1])
    return before + token


def _threshold(field: list[str], source: str) -> float | None:
    if not field:
        return None
    try:
        value = float(field[0])
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise VocabularyError(
            f"threshold {shown(field[0].strip())} in {source} is out of range; "
            "write a number from 0 to 1, such as @0.4"
        )
    return value


def _colour(field: list[str] | None, source: str) -> Colour | None:
    if not field:
        return None
    digits = field[0].strip()
    if not re.fullmatch(r"[0-9a-fA-F]{6}", digits):
        raise VocabularyError(
            f"colour {shown('#' + digits)} in {source} is not a colour; write #rrggbb, such as "
            "#ff8800"
        )
    return int(digits[0:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)


def _as_plain(concept: Concept) -> dict[str, object]:
    plain: dict[str, object] = {"name": concept.name}
    if concept.phrases != (concept.name,):
        plain["phrases"] = list(concept.phrases)
    if concept.negative:
        plain["negative"] = True
    if concept.threshold is not None:
        plain["threshold"] = concept.threshold
    if concept.colour is not None:
        plain["colour"] = "#{:02x}{:02x}{:02x}".format(*concept.colour)
    return plain


def _from_yaml(text: str) -> Vocabulary:
    try:
        document = yaml_value(text)
    except ValueError as error:
        raise VocabularyError(f"not valid YAML: {error}") from error
    entries = document.get("concepts") if isinstance(document, Mapping) else document
    if not isinstance(entries, list) or not entries:
        raise VocabularyError(
            "there is no list of concepts; write 'concepts:' and below it '- name: car' or "
            "'- car' lines"
        )
    return Vocabulary(tuple(_concept_from_yaml(entry) for entry in entries))


def _concept_from_yaml(entry: object) -> Concept:
    if isinstance(entry, str):
        return Concept(entry)
    if not isinstance(entry, Mapping):
        raise VocabularyError(f"a concept is a name or a table with a name, got {shown(entry)}")
    allowed = {"name", "phrases", "negative", "threshold", "colour"}
    unknown = [key for key in entry if key not in allowed]
    if unknown:
        raise VocabularyError(
            f"unknown key {shown(unknown[0])} in a concept; there is: {sorted(allowed)}"
        )
    name, phrases = entry.get("name"), entry.get("phrases") or ()
    threshold, colour = entry.get("threshold"), entry.get("colour")
    phrases = (phrases,) if isinstance(phrases, str) else phrases
    checks = (
        (isinstance(name, str), "name must be a text (put it in quotes)"),
        (
            isinstance(phrases, (list, tuple)) and all(isinstance(p, str) for p in phrases),
            "phrases must be a list of texts",
        ),
        (isinstance(entry.get("negative", False), bool), "negative must be true or false"),
        (
            threshold is None
            or (
                isinstance(threshold, (int, float))
                and not isinstance(threshold, bool)
                and 0 <= threshold <= 1  # before `float`, which cannot hold every whole number
            ),
            "threshold must be a number from 0 to 1, such as 0.4",
        ),
        (colour is None or isinstance(colour, str), "colour must be a text such as '#ff8800'"),
    )
    for fine, problem in checks:
        if not fine:
            raise VocabularyError(f"{problem}, in {shown(dict(entry))}")
    concept = Concept(
        name=str(name),
        phrases=tuple(phrases),
        negative=entry.get("negative", False),
        threshold=None if threshold is None else float(threshold),
    )
    if colour is None:
        return concept
    return replace(concept, colour=_colour([colour.strip().removeprefix("#")], shown(name)))
