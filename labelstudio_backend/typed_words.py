"""What a person typed means: which labels, looked for by which words.

    car                     the label car, by its own words
    a red car, blue bus     phrases: each for the label whose words it holds, or else the nearest
    car: sedan, pickup      other words for the label car
    truck @0.4              with a threshold of its own
    truck; -shadow          shadow competes and is not labelled

What this grammar cannot read because of a stray mark is one phrase as it stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labelstudio_backend.words import ImageWords, Wording
from ovseg_annotate.errors import VocabularyError
from ovseg_annotate.session import Session
from ovseg_annotate.text.words import stem, words_of
from ovseg_annotate.vocabulary import Concept, Vocabulary

_MARKS = frozenset('@#":')
_LONGEST = 2000  # characters


@dataclass(frozen=True, slots=True)
class Meaning:
    """How a typed text is to be answered."""

    wordings: tuple[Wording, ...]
    competing: tuple[str, ...]  # phrases that are not to be labelled


def meaning_of(text: str, words: ImageWords, session: Session) -> Meaning:
    """Read a typed text; raises VocabularyError for what means nothing."""
    if len(text) > _LONGEST:
        raise VocabularyError(f"{len(text)} characters were typed; allowed: {_LONGEST}")
    shown = {place.concept for place in words.places}
    candidates = [each for each in words.vocabulary or () if each.name in shown]
    if not candidates:
        raise VocabularyError("the labeling config has no label that suggestions could carry")
    typed = _typed_concepts(text)
    wanted = [concept for concept in typed if not concept.negative]
    homes = [_named(concept, words) or _sharing_words(concept, candidates) for concept in wanted]
    far = [concept for concept, home in zip(wanted, homes, strict=True) if home is None]
    near = iter(_nearest(far, candidates, session))
    found: dict[str, Wording] = {}
    for concept, home in zip(wanted, homes, strict=True):
        _add(found, concept, home or next(near), candidates)
    against = tuple(phrase for concept in typed if concept.negative for phrase in concept.phrases)
    return Meaning(tuple(found.values()), against)


def _typed_concepts(text: str) -> tuple[Concept, ...]:
    # Commas separate phrases only behind a colon; people type them anywhere.
    grammar = text if ":" in text else text.replace(",", ";")
    try:
        return Vocabulary.parse(grammar).concepts
    except VocabularyError:
        if not _MARKS & set(text):
            raise
        return (Concept(text, (text,)),)


def _named(typed: Concept, words: ImageWords) -> str | None:
    """The concept whose name, or one of whose labels, was typed."""
    wanted = typed.name.casefold()
    for place in words.places:
        if wanted in (place.concept.casefold(), " ".join(place.label.split()).casefold()):
            return place.concept
    return None


def _sharing_words(typed: Concept, candidates: Sequence[Concept]) -> str | None:
    """The concept with the longest text all of whose words were typed."""
    said = {stem(word) for text in (typed.name, *typed.phrases) for word in words_of(text)}
    best, most = None, 0
    for concept in candidates:
        for text in (concept.name, *concept.phrases):
            needed = {stem(word) for word in words_of(text)}
            if needed <= said and len(needed) > most:
                best, most = concept.name, len(needed)
    return best


def _nearest(
    typed: Sequence[Concept], candidates: Sequence[Concept], session: Session
) -> list[str]:
    """The concept nearest to each typed one, as the text tower sees them."""
    if not typed:
        return []
    if len(candidates) == 1:
        return [candidates[0].name] * len(typed)
    asked = [Concept(f"typed {number}", each.phrases) for number, each in enumerate(typed)]
    known = [Concept(f"label {number}", each.phrases) for number, each in enumerate(candidates)]
    bank = session.text_bank(Vocabulary((*asked, *known)))
    vectors = bank.embeddings.float().cpu().numpy()
    cosines = vectors @ vectors.T  # (phrases, phrases)
    owners = bank.vocabulary.phrase_owners
    nearest = []
    for number in range(len(typed)):
        mine = [row for row, owner in enumerate(owners) if owner == number]
        others = [row for row, owner in enumerate(owners) if owner >= len(typed)]
        best = others[int(cosines[mine][:, others].max(axis=0).argmax())]
        nearest.append(candidates[owners[best] - len(typed)].name)
    return nearest


def _add(
    found: dict[str, Wording], typed: Concept, home: str, candidates: Sequence[Concept]
) -> None:
    """Collect the words for one concept; its bare name means its own words."""
    own = next(concept for concept in candidates if concept.name == home)
    is_bare = typed.phrases == (typed.name,) and typed.name.casefold() == home.casefold()
    phrases = own.phrases if is_bare else typed.phrases
    before = found.get(home)
    if before is not None:
        phrases = tuple(dict.fromkeys((*before.phrases, *phrases)))
    threshold = typed.threshold if before is None or typed.threshold else before.threshold
    found[home] = Wording(home, phrases, threshold)
