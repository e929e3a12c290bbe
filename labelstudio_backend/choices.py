"""Choices about the whole picture: a choice holds where what it names covers enough of it.

Answered are choices with words of their own, and those named like a label. A Choices tag of other
words ("good", "blurred") asks for a judgement and is left to the person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from labelstudio_backend.label_config import Control, Kind
from labelstudio_backend.words import ImageWords, words_of_controls
from ovseg_annotate.label_map import LabelMap


@dataclass(frozen=True, slots=True)
class Presence:
    """How much of a picture a concept covers."""

    share: float  # 0 to 1
    confidence: float  # mean over its pixels


@dataclass(frozen=True, slots=True)
class Chosen:
    """What holds of a picture."""

    values: tuple[str, ...]
    score: float


def own_words(control: Control) -> ImageWords:
    """What has to be looked for to answer the choices that have words of their own."""
    worded = tuple(label for label in control.labels if label.phrases and not label.negative)
    negative = tuple(label for label in control.labels if label.negative)
    return words_of_controls((replace(control, labels=worded + negative),))


def presences(label_map: LabelMap) -> Mapping[str, Presence]:
    """How much each concept of a label map covers, by its name."""
    labels = label_map.labels.ravel()
    count = len(label_map.vocabulary) + 1
    pixels = np.bincount(labels, minlength=count)
    sums = np.bincount(labels, label_map.confidence.ravel().astype(np.float64), minlength=count)
    return {
        name: Presence(pixels[label] / labels.size, float(sums[label] / max(pixels[label], 1)))
        for label, name in enumerate(label_map.vocabulary.names, start=1)
    }


def chosen_of(
    control: Control,
    words: ImageWords,
    found: Sequence[Mapping[str, Presence]],
    minimum_share: float,
) -> Chosen | None:
    """The choices that hold, the largest first; None: nothing to say.

    `found` are the presences by the labels' concepts, then by the choices' own.
    """
    by_label, by_choice = found
    own = own_words(control)
    presence: dict[str, Presence] = {}
    for label in control.labels:
        concept = own.concept_of(label.value) if label.phrases else words.concept_of(label.value)
        known = by_choice if label.phrases else by_label
        if concept is not None and concept in known and known[concept].share >= minimum_share:
            presence[label.value] = known[concept]
    values = sorted(presence, key=lambda value: -presence[value].share)
    if control.kind is not Kind.CHOICES or not values:
        return None
    values = values if control.multiple else values[:1]
    return Chosen(tuple(values), min(presence[value].confidence for value in values))
