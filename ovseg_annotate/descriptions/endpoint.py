"""Descriptions from a language model behind an OpenAI-compatible address; off unless asked for.

Only the names of concepts leave the machine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

import httpx2

from ovseg_annotate.bounded_answers import AnswerLimit, received
from ovseg_annotate.descriptions.answers import Answer, answer_from
from ovseg_annotate.descriptions.prompts import GROUPS, PROMPT_VERSION, ConceptPrompt, Described
from ovseg_annotate.descriptions.store import AnswerStore
from ovseg_annotate.errors import OptionError
from ovseg_annotate.plain_data import json_value

BASE_URL, MODEL, API_KEY = "OVSEG_LLM_BASE_URL", "OVSEG_LLM_MODEL", "OVSEG_LLM_API_KEY"

_BATCH = 20  # names of a request
_CONNECTING = 5.0  # seconds at most until a server takes the call
_LARGEST = 2**22  # bytes of an answer; one about 20 names has a thousandth of it
_OWN_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})
_SYSTEM = "You describe how things look in photos. Answer only JSON."
_TASK = (
    "For each class give `colour`, `shape_size` and `texture_material`: 1-3 phrases of at most 6 "
    "words each, only what is visible, true for most instances, no function, no place, do not "
    'repeat the class name. Answer as {"classes": [{"name": ..., "colour": [...], "shape_size": '
    '[...], "texture_material": [...]}]}. Classes: '
)


class _Form(StrEnum):
    """How the answer's shape is asked for, the strictest first; servers differ in what they do."""

    SCHEMA = "json_schema"
    OBJECT = "json_object"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """Where the model is; the key is never shown."""

    base_url: str  # such as http://localhost:11434/v1
    model: str
    key: str = field(default="", repr=False)
    timeout: float = 60.0  # seconds for a request

    def __post_init__(self) -> None:
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise OptionError(
                f"{BASE_URL}: got {self._shown!r}; expected an address such as "
                "http://localhost:11434/v1"
            )
        if not self.model:
            raise OptionError(f"{MODEL} is empty; name the model that {self._shown} serves")
        if not self.timeout > 0:
            raise OptionError(f"timeout: got {self.timeout:g}; allowed: above 0")

    @property
    def _shown(self) -> str:
        """Without a password that somebody put into the address."""
        return self.base_url.rpartition("@")[2]

    @property
    def is_here(self) -> bool:
        """Whether names stay on this machine."""
        return urlsplit(self.base_url).hostname in _OWN_MACHINE

    @property
    def address(self) -> str:
        return f"{self.base_url.rstrip('/')}/chat/completions"

    @property
    def place(self) -> str:
        return f"{self.model} at {self._shown}"


def settings_from(environment: Mapping[str, str]) -> EndpointSettings:
    """Read once, when an engine that wants it is opened."""
    base = environment.get(BASE_URL, "").strip()
    if not base:
        raise OptionError(
            f"descriptions from an endpoint need {BASE_URL} and {MODEL} in the environment (and "
            f"{API_KEY} where it asks for one); for example {BASE_URL}=http://localhost:11434/v1; "
            "without one use the lexicon"
        )
    key = environment.get(API_KEY, "").strip()
    return EndpointSettings(base, environment.get(MODEL, "").strip(), key)


class EndpointProvider:
    """Asks for names that the store does not have, and keeps what comes."""

    def __init__(self, settings: EndpointSettings, store: AnswerStore | None = None) -> None:
        self._settings = settings
        self._store = store
        self._answered: dict[str, ConceptPrompt] = {}  # with a store or without: asked once

    @property
    def digest(self) -> str:
        return f"endpoint-{PROMPT_VERSION}-{self._settings.model}"

    def describe(self, names: Sequence[str]) -> Described:
        found = ((name, self._kept_of(name)) for name in names)
        known = {name: prompt for name, prompt in found if prompt is not None}
        missing = list(dict.fromkeys(name for name in names if name not in known))
        warnings: list[str] = []
        if missing:
            asked, warnings = self._asked(missing)
            known |= asked
            self._answered |= asked
        return Described(tuple(known.get(name) for name in names), tuple(warnings))

    def _kept_of(self, name: str) -> ConceptPrompt | None:
        prompt = self._answered.get(name)
        if prompt is None and self._store is not None:
            prompt = self._store.get(name)
        return prompt

    def _asked(self, names: list[str]) -> tuple[dict[str, ConceptPrompt], list[str]]:
        known: dict[str, ConceptPrompt] = {}
        warnings: list[str] = []
        with self._client() as client:
            for start in range(0, len(names), _BATCH):
                some = names[start : start + _BATCH]
                try:
                    answer = self._answer(client, some)
                except (httpx2.HTTPError, httpx2.InvalidURL, _Refused) as error:
                    warnings.append(self._problem(error, names[start:]))
                    break  # the next batch would wait for the same time-out
                prompts = [prompt for prompt in answer.prompts if prompt is not None]
                known |= {prompt.name: prompt for prompt in prompts}
                warnings += self._kept(prompts)
                left = [name for name in some if name not in known]
                if left:
                    warnings.append(
                        f"{self._settings.place} described {answer.found} of {len(some)} names; "
                        f"not {_listed(left)}: the lexicon or the plain name serves there"
                    )
        return known, list(dict.fromkeys(warnings))

    def _client(self) -> httpx2.Client:
        key = self._settings.key
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        longest = self._settings.timeout
        timeout = httpx2.Timeout(longest, connect=min(longest, _CONNECTING))
        return httpx2.Client(headers=headers, timeout=timeout)

    def _answer(self, client: httpx2.Client, names: list[str]) -> Answer:
        """Ask in ever looser forms until something can be read; the best answer counts."""
        best = Answer((None,) * len(names))
        refused: _Refused | None = None
        for form in _Form:
            try:
                answer = answer_from(self._said(client, names, form), names)
            except _Refused as error:
                if not error.looser_may_help:
                    raise
                refused = error
                continue
            best = max(best, answer, key=lambda each: each.found)
            if best.found == len(names):
                break
        if refused is not None and not best.found:
            raise refused
        return best

    def _said(self, client: httpx2.Client, names: list[str], form: _Form) -> str:
        body = _request(self._settings, names, form)
        asked = client.build_request("POST", self._settings.address, json=body)
        response = received(client, asked, AnswerLimit(_LARGEST, self._settings.timeout))
        if response.status_code != httpx2.codes.OK:
            raise _Refused(response.status_code)
        try:
            return str(json_value(response.content)["choices"][0]["message"]["content"])
        except (ValueError, LookupError, TypeError):
            return ""

    def _kept(self, prompts: list[ConceptPrompt]) -> list[str]:
        if self._store is None:
            return []
        problems = (self._store.put(prompt) for prompt in prompts)
        return [problem for problem in problems if problem is not None]

    def _problem(self, error: Exception, names: list[str]) -> str:
        """The kind of error only: its own text may hold the address with a password in it."""
        told = str(error) if isinstance(error, _Refused) else type(error).__name__
        return (
            f"{self._settings.place} gave no descriptions ({told}); the lexicon or the plain name "
            f"serves for {_listed(names)}; start it, or set {BASE_URL}"
        )


class _Refused(Exception):  # noqa: N818  a server says no
    """A status that is no answer."""

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status}")
        self.looser_may_help = status in (400, 404, 415, 422, 500, 501)


def _request(settings: EndpointSettings, names: list[str], form: _Form) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": settings.model,
        "temperature": 0,
        "seed": 0,
        "messages": [
            {"role": "system", "content": _SYSTEM},
            {"role": "user", "content": _TASK + json.dumps(names, ensure_ascii=False)},
        ],
    }
    if form is _Form.SCHEMA:
        shape = {"name": "descriptions", "strict": True, "schema": _schema()}
        body["response_format"] = {"type": form.value, "json_schema": shape}
    elif form is _Form.OBJECT:
        body["response_format"] = {"type": form.value}
    return body


def _schema() -> dict[str, Any]:
    phrases = {"type": "array", "items": {"type": "string"}}
    properties: dict[str, Any] = {"name": {"type": "string"}}
    properties.update(dict.fromkeys(GROUPS, phrases))
    entry = _table(properties)
    return _table({"classes": {"type": "array", "items": entry}})


def _table(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _listed(names: Sequence[str], most: int = 5) -> str:
    shown = ", ".join(repr(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
