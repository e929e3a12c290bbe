"""Who is asked for a description, in order: the person, the model or its cache, the lexicon.

What nobody knows is not described: general words would only blur the name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ovseg_annotate.descriptions.endpoint import EndpointProvider, settings_from
from ovseg_annotate.descriptions.lexicon import Lexicon, bundled_lexicon, lexicon_of_file
from ovseg_annotate.descriptions.options import EnrichOptions
from ovseg_annotate.descriptions.prompts import (
    ConceptPrompt,
    Described,
    Provider,
    Source,
    key_of,
)
from ovseg_annotate.descriptions.reading import as_plain
from ovseg_annotate.descriptions.store import AnswerStore
from ovseg_annotate.errors import OptionError

_OTHERS = 3  # entries whose phrases stand in for a name's own
_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Chain:
    """The first provider that knows a name describes it."""

    providers: tuple[Provider, ...]

    @property
    def digest(self) -> str:
        return " > ".join(provider.digest for provider in self.providers)

    def describe(self, names: Sequence[str]) -> Described:
        prompts: list[ConceptPrompt | None] = [None] * len(names)
        warnings: list[str] = []
        for provider in self.providers:
            open_places = [place for place, prompt in enumerate(prompts) if prompt is None]
            if not open_places:
                break
            answer = provider.describe([names[place] for place in open_places])
            warnings += answer.warnings
            for place, prompt in zip(open_places, answer.prompts, strict=True):
                prompts[place] = prompt
        return Described(tuple(prompts), tuple(warnings))


class OtherPhrases:
    """Phrases of other concepts, the same ones for the same name: what any added words are worth.

    After WaffleCLIP (Roth et al. 2023), which finds random words as good as descriptions on
    everyday concepts.
    """

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon

    @property
    def digest(self) -> str:
        return f"others-{self._lexicon.digest}"

    def describe(self, names: Sequence[str]) -> Described:
        return Described(tuple(self._borrowed(name) for name in names))

    def _borrowed(self, name: str) -> ConceptPrompt:
        own = self._lexicon.find(name)
        entries = [
            entry for entry in self._lexicon.entries if own is None or entry.colour != own.colour
        ]
        digest = hashlib.sha256(key_of(name).encode()).digest()
        drawn = (int.from_bytes(digest[4 * k : 4 * k + 4], "big") for k in range(_OTHERS))
        colour, shape, texture = (entries[number % len(entries)] for number in drawn)
        return ConceptPrompt(
            name,
            colour.colour[:1],
            shape.shape_size[:1],
            texture.texture_material[:1],
            source=Source.OTHERS,
        )


def open_chain(
    options: EnrichOptions,
    environment: Mapping[str, str],
    cache: Path | None,
    *,
    offline: bool = False,
) -> Chain:
    """The providers that the options ask for; `environment` tells where an endpoint is."""
    providers: list[Provider] = []
    if options.file is not None:
        providers.append(lexicon_of_file(Path(options.file).expanduser()))
    if options.source == "endpoint":
        settings = settings_from(environment)
        if offline and not settings.is_here:
            raise OptionError(
                f"descriptions from {settings.place} need the network, and this is offline; use "
                "the lexicon, or a model on this machine"
            )
        store = None if cache is None else AnswerStore(cache / "descriptions", settings.model)
        providers.append(EndpointProvider(settings, store))
    if options.source in ("lexicon", "endpoint"):
        providers.append(bundled_lexicon())
    elif options.source == "others":
        providers.append(OtherPhrases(bundled_lexicon()))
    return Chain(tuple(providers))


def digest_of(prompts: Sequence[ConceptPrompt | None]) -> str:
    """Names the descriptions that a vocabulary got: equal where a run can be repeated."""
    plain = [None if prompt is None else [as_plain(prompt), prompt.version] for prompt in prompts]
    content = json.dumps(plain, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:_DIGITS]
