"""What a language model answers, read as far as it can be: models of this world are not strict."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ovseg_annotate.descriptions.prompts import GROUPS, ConceptPrompt, Source, key_of, repeats
from ovseg_annotate.descriptions.reading import MOST_PHRASES, MOST_WORDS
from ovseg_annotate.plain_data import json_value

_FENCED = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL)
_OTHER_SPELLINGS = {"color": "colour", "colors": "colour", "colours": "colour"}
_LIST_KEYS = ("concepts", "classes", "descriptions")


@dataclass(frozen=True, slots=True)
class Answer:
    """The prompts that an answer holds, by the names that were asked for."""

    prompts: tuple[ConceptPrompt | None, ...]

    @property
    def found(self) -> int:
        return sum(prompt is not None for prompt in self.prompts)


def answer_from(text: str, names: Sequence[str]) -> Answer:
    """Read an answer; what cannot be read, or is about another name, is left out."""
    by_key: dict[str, ConceptPrompt] = {}
    for document in _documents(text):
        for name, entry in _entries(document):
            prompt = _prompt(name, entry)
            if prompt is not None:
                by_key.setdefault(key_of(name), prompt)
    found = (by_key.get(key_of(name)) for name in names)
    return Answer(tuple(_named(prompt, name) for prompt, name in zip(found, names, strict=True)))


def _documents(text: str) -> Iterator[object]:
    """The JSON in a text: all of it, what stands between fences, or from the first brace on."""
    candidates = [text, *_FENCED.findall(text)]
    starts = [place for place in (text.find("{"), text.find("[")) if place >= 0]
    if starts:
        end = max(text.rfind("}"), text.rfind("]")) + 1
        candidates.append(text[min(starts) : end])
    for candidate in candidates:
        try:
            yield json_value(candidate)
        except ValueError:
            continue


def _entries(document: object) -> Iterator[tuple[str, Mapping[str, object]]]:
    """A list of entries with names, or a table from names to entries."""
    if isinstance(document, Mapping):
        for key in _LIST_KEYS:
            if key in document:
                yield from _entries(document[key])
                return
        if isinstance(document.get("name"), str):
            yield str(document["name"]), document
            return
        for name, entry in document.items():
            if isinstance(name, str) and isinstance(entry, Mapping):
                yield name, entry
    elif isinstance(document, list):
        for entry in document:
            if isinstance(entry, Mapping) and isinstance(entry.get("name"), str):
                yield str(entry["name"]), entry


def _prompt(name: str, entry: Mapping[str, object]) -> ConceptPrompt | None:
    said = {_OTHER_SPELLINGS.get(key, key): value for key, value in entry.items()}
    colour, shape, texture = (_phrases(said.get(group), name) for group in GROUPS)
    prompt = ConceptPrompt(name, colour, shape, texture, source=Source.ENDPOINT)
    return None if prompt.is_empty else prompt


def _phrases(value: object, name: str) -> tuple[str, ...]:
    """Phrases that are short enough and do not say the name again."""
    values = value.split(",") if isinstance(value, str) else value
    if not isinstance(values, list):
        return ()
    texts = (" ".join(each.split()).strip(" .") for each in values if isinstance(each, str))
    fitting = (
        text
        for text in texts
        if text and len(text.split()) <= MOST_WORDS and not repeats(text, name)
    )
    return tuple(dict.fromkeys(fitting))[:MOST_PHRASES]


def _named(prompt: ConceptPrompt | None, name: str) -> ConceptPrompt | None:
    if prompt is None:
        return None
    return ConceptPrompt(
        name,
        prompt.colour,
        prompt.shape_size,
        prompt.texture_material,
        source=prompt.source,
        version=prompt.version,
    )
