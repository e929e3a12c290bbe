"""Answers of language models on disk: asked once, then the same for ever."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from ovseg_annotate.descriptions.prompts import PROMPT_VERSION, ConceptPrompt, Source, key_of
from ovseg_annotate.descriptions.reading import as_plain, prompt_from
from ovseg_annotate.errors import CacheError, VocabularyError
from ovseg_annotate.plain_data import json_text, json_value
from ovseg_annotate.whole_files import write_whole

_SUFFIX = ".json"


@dataclass(frozen=True, slots=True)
class AnswerStore:
    """A file for each name that a model was asked about, readable for people."""

    folder: Path
    model: str

    def __post_init__(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CacheError(
                f"cannot keep descriptions in {self.folder}: {error}; choose another cache folder"
            ) from error

    def get(self, name: str) -> ConceptPrompt | None:
        """What is damaged counts as absent, and is asked for again."""
        path = self._path(name)
        try:
            entry = json_value(path.read_text(encoding="utf-8"))
            prompt = prompt_from(entry, str(path), Source.ENDPOINT)
        except (OSError, ValueError, VocabularyError):
            return None
        return replace(prompt, name=name)

    def put(self, prompt: ConceptPrompt) -> str | None:
        """Keep an answer; if that fails, the sentence to tell the person."""
        content = f"{json_text(as_plain(prompt), indent=1)}\n"
        try:
            write_whole(self._path(prompt.name), content.encode())
        except OSError as error:
            return f"descriptions could not be kept in {self.folder}: {error}; make room"
        return None

    def _path(self, name: str) -> Path:
        parts = (PROMPT_VERSION, self.model, key_of(name))
        text = "".join(f"{len(part)}:{part}" for part in parts)
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()}{_SUFFIX}"
