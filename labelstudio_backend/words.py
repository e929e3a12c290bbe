"""From the labels of a picture's controls to one vocabulary, and back to the labels.

Labels that mean the same, by their name or by their words, are one concept: it competes once and
its regions go to every control that has one of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from labelstudio_backend.errors import LabelConfigError
from labelstudio_backend.label_config import Control, Label
from ovseg_annotate.vocabulary import Concept, Vocabulary


@dataclass(frozen=True, slots=True)
class Place:
    """Where the regions of a concept go."""

    concept: str
    control: Control
    label: str  # as results carry it


@dataclass(frozen=True, slots=True)
class Wording:
    """Words that replace those of a concept."""

    concept: str
    phrases: tuple[str, ...]
    threshold: float | None = None  # None: that of the config


@dataclass(frozen=True, slots=True)
class ImageWords:
    """What is looked for in one picture."""

    vocabulary: Vocabulary | None  # None: there is nothing to label
    places: tuple[Place, ...]

    def concept_of(self, label: str) -> str | None:
        """The concept that a label of these controls means."""
        name = " ".join(label.split()).casefold()
        exact = (place.concept for place in self.places if place.label == label)
        alike = (place.concept for place in self.places if place.concept.casefold() == name)
        return next(exact, None) or next(alike, None)

    def has(self, wording: Wording) -> bool:
        """Whether these are the words that the concept has anyway."""
        return any(
            wording == Wording(concept.name, concept.phrases, wording.threshold)
            and wording.threshold in (None, concept.threshold)
            for concept in self.vocabulary or ()
        )

    def reworded(self, wordings: Iterable[Wording]) -> ImageWords:
        """The same with other words for some concepts; those of unknown concepts do not count."""
        new = {wording.concept: wording for wording in wordings}
        if self.vocabulary is None or not new:
            return self
        concepts = tuple(
            _reworded(concept, new[concept.name]) if concept.name in new else concept
            for concept in self.vocabulary
        )
        return replace(self, vocabulary=Vocabulary(concepts))

    def shown(self, concepts: Collection[str]) -> ImageWords:
        """The same, answered for these concepts only; the others still compete."""
        places = tuple(place for place in self.places if place.concept in concepts)
        return replace(self, places=places)


@dataclass(slots=True)
class _Group:
    """Labels that are one concept, while they are collected."""

    name: str
    words: list[str]  # of their own; [] so far: the name
    negative: bool
    threshold: float | None
    source: str  # the label that said the threshold first

    @property
    def phrases(self) -> tuple[str, ...]:
        return tuple(self.words) or (self.name,)


def words_of_controls(controls: Iterable[Control]) -> ImageWords:
    """The vocabulary of the labels of some controls, in their order."""
    controls = tuple(controls)
    groups: dict[str, _Group] = {}  # by the folded name
    for control in controls:
        for label in control.labels:
            _collect(groups, control, label)
    concepts, names = _concepts(groups)
    places = []
    for control in controls:
        taken: set[str] = set()
        for label in control.labels:
            concept = names[label.name.casefold()]
            # Of two labels that mean the same, the first one of a control is used.
            if not groups[label.name.casefold()].negative and concept not in taken:
                places.append(Place(concept, control, label.value))
                taken.add(concept)
    is_anything = any(not concept.negative for concept in concepts)
    return ImageWords(Vocabulary(concepts) if is_anything else None, tuple(places))


def _collect(groups: dict[str, _Group], control: Control, label: Label) -> None:
    key = label.name.casefold()
    threshold = control.threshold if label.threshold is None else label.threshold
    source = f"{control.kind} {control.name!r}"
    group = groups.get(key)
    if group is None:
        groups[key] = _Group(label.name, list(label.phrases), label.negative, threshold, source)
        return
    if group.negative != label.negative:
        raise LabelConfigError(
            f"label {label.name!r} is negative in one control and not in another ({source}); "
            "make both the same"
        )
    if threshold is not None and group.threshold not in (None, threshold):
        raise LabelConfigError(
            f"label {label.name!r} has threshold {group.threshold:g} in {group.source} and "
            f"{threshold:g} in {source}; write the same in both"
        )
    if group.threshold is None and threshold is not None:
        group.threshold, group.source = threshold, source
    group.words += [phrase for phrase in label.phrases if phrase not in group.words]


def _concepts(groups: dict[str, _Group]) -> tuple[tuple[Concept, ...], dict[str, str]]:
    """The concepts, and the concept of each folded name: groups with equal words are one."""
    by_words: dict[tuple[bool, frozenset[str]], _Group] = {}
    names: dict[str, str] = {}
    for key, group in groups.items():
        words = frozenset(phrase.casefold() for phrase in group.phrases)
        first = by_words.setdefault((group.negative, words), group)
        if first.threshold != group.threshold:
            raise LabelConfigError(
                f"labels {first.name!r} and {group.name!r} have the same words and different "
                "thresholds; give them one threshold, or words that differ"
            )
        names[key] = first.name
    concepts = (
        Concept(group.name, group.phrases, group.negative, group.threshold)
        for group in by_words.values()
    )
    return tuple(concepts), names


def _reworded(concept: Concept, wording: Wording) -> Concept:
    threshold = concept.threshold if wording.threshold is None else wording.threshold
    return replace(concept, phrases=wording.phrases, threshold=threshold)
