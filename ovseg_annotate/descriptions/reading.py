"""Descriptions from files, `{"name": ..., "colour": [...], ...}`, checked entry by entry.

One shape serves the person's file (YAML or JSON), the lexicon and the cache.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ovseg_annotate.descriptions.prompts import GROUPS, ConceptPrompt, Source
from ovseg_annotate.errors import VocabularyError, listed_by_nearness
from ovseg_annotate.plain_data import json_text, json_value, shown, yaml_value
from ovseg_annotate.refused_writes import explained
from ovseg_annotate.whole_files import write_whole

MOST_PHRASES = 4  # of a group
MOST_WORDS = 8  # of a phrase
_TEXT_LISTS = ("synonyms", *GROUPS)
_KEYS = ("name", *_TEXT_LISTS)
_YAML = (".yaml", ".yml")


def read_descriptions(path: Path) -> tuple[ConceptPrompt, ...]:
    """A person's file: a list of entries, alone or under `descriptions:`."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise VocabularyError(f"cannot read the descriptions {path}: {error}") from error
    document = _loaded(text, path)
    entries = document.get("descriptions") if isinstance(document, Mapping) else document
    if not isinstance(entries, list) or not entries:
        raise VocabularyError(
            f"{path} has no list of descriptions; write 'descriptions:' and below it entries such "
            "as '- {name: nucleus, colour: [dark blue], shape_size: [round]}'"
        )
    read = [
        prompt_from(entry, f"{path}, entry {number}", Source.FILE)
        for number, entry in enumerate(entries, start=1)
    ]
    return tuple(read)


def write_descriptions(path: Path, prompts: Sequence[ConceptPrompt]) -> None:
    """Pin what was resolved: `read_descriptions` reads it back, whoever had described it."""
    content = {"descriptions": [as_plain(prompt) for prompt in prompts]}
    with explained(path):
        write_whole(path, f"{json_text(content, indent=1)}\n".encode())


def prompt_from(entry: object, where: str, source: Source) -> ConceptPrompt:
    """One entry; `where` begins the message if it is wrong."""
    if not isinstance(entry, Mapping):
        raise VocabularyError(
            f"{where}: a description is a table with a name and {', '.join(GROUPS)}; got "
            f"{shown(entry)}"
        )
    for key in entry:
        if key not in _KEYS:
            raise VocabularyError(
                f"{where}: unknown key {shown(key)}; there is: "
                f"{listed_by_nearness(shown(key), _KEYS)}"
            )
    name = entry.get("name")
    if not isinstance(name, str) or not name.strip():
        raise VocabularyError(f"{where}: name must be a text, got {shown(name)}")
    where = f"{where} ({name[:60]})"
    lists = {key: _phrases(entry.get(key), key, where) for key in _TEXT_LISTS}
    if not any(lists[group] for group in GROUPS):
        raise VocabularyError(
            f"{where}: nothing is described; give at least one of {', '.join(GROUPS)}"
        )
    prompt = ConceptPrompt(name=" ".join(name.split()), source=source)
    return replace(
        prompt,
        colour=lists["colour"],
        shape_size=lists["shape_size"],
        texture_material=lists["texture_material"],
        synonyms=lists["synonyms"],
    )


def as_plain(prompt: ConceptPrompt) -> dict[str, object]:
    """For JSON and YAML; what is empty is left out."""
    lists = {key: list(getattr(prompt, key)) for key in _TEXT_LISTS if getattr(prompt, key)}
    return {"name": prompt.name, **lists}


def _phrases(value: object, key: str, where: str) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else [] if value is None else value
    if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
        raise VocabularyError(
            f"{where}: {key} must be a text or a list of texts, got {shown(value)}"
        )
    phrases = tuple(dict.fromkeys(" ".join(each.split()) for each in values if each.strip()))
    if key == "synonyms":
        return phrases
    if len(phrases) > MOST_PHRASES:
        raise VocabularyError(
            f"{where}: {key} has {len(phrases)} phrases; allowed: up to {MOST_PHRASES}; keep "
            "those that are true of most"
        )
    for phrase in phrases:
        if len(phrase.split()) > MOST_WORDS:
            raise VocabularyError(
                f"{where}: {key} has the phrase {shown(phrase)} of {len(phrase.split())} words; "
                f"allowed: up to {MOST_WORDS}; say it shorter"
            )
    return phrases


def _loaded(text: str, path: Path) -> object:
    if path.suffix.casefold() in _YAML:
        try:
            return yaml_value(text)
        except ValueError as error:
            raise VocabularyError(f"{path} is not valid YAML: {error}") from error
    try:
        return json_value(text)
    except ValueError as error:
        raise VocabularyError(f"{path} is not valid JSON: {error}") from error
