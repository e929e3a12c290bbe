"""A labelled folder as trials: every concept of the folder is asked of every picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.datasets.folders import VOID, LabelledFolder, LabelledPicture, open_folder
from ovseg_annotate.datasets.nuclei import NUCLEUS, is_nuclei_folder, validation_folders
from ovseg_annotate.errors import VocabularyError, listed_by_nearness
from ovseg_annotate.evaluation.confusion import Labels
from ovseg_annotate.evaluation.held_out import Asking
from ovseg_annotate.evaluation.instances import instances_in
from ovseg_annotate.evaluation.trials import Trial, TrialSet
from ovseg_annotate.regions import Region
from ovseg_annotate.vocabulary import Concept, Vocabulary


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked of every picture of a folder, and how its values answer."""

    vocabulary: Vocabulary
    label_of: Mapping[int, int]  # by value; values that nobody asks for are not in it
    instances: bool  # every value but 0 is label 1
    ignore: int | None  # a label that no concept has


def folder_trials(path: Path, asking: Asking, words: Vocabulary | None) -> tuple[TrialSet, ...]:
    """One set; one a kind for a folder of nuclei, of whose pictures a fifth is taken.

    `words` say how the concepts are asked for; without them each is asked for by its name.
    """
    if is_nuclei_folder(path):
        return tuple(
            _trial_set(f"{path.name}, {kind}", folder, asking, words or Vocabulary.parse(NUCLEUS))
            for kind, folder in validation_folders(path).items()
        )
    return (_trial_set(path.name, open_folder(path), asking, words),)


def _trial_set(
    name: str, folder: LabelledFolder, asking: Asking, words: Vocabulary | None
) -> TrialSet:
    question = _question(folder, asking.seed, words)
    count = min(asking.count, len(folder.files))
    return TrialSet(name, count, partial(_trials, folder, question, count))


def _trials(folder: LabelledFolder, question: _Question, count: int) -> Iterator[Trial]:
    for picture in islice(folder.pictures(), count):
        yield Trial(
            name=picture.name,
            pixels=picture.pixels,
            truth=_truth(picture, question),
            vocabulary=question.vocabulary,
            ignore=question.ignore,
            instances=_instances(picture, question) if question.instances else None,
        )


def _instances(picture: LabelledPicture, question: _Question) -> tuple[Region, ...]:
    values: list[int] = np.unique(picture.values).tolist()
    concept = question.vocabulary.names[0]
    return instances_in(picture.values, {value: concept for value in values if value})


def _question(folder: LabelledFolder, seed: int, words: Vocabulary | None) -> _Question:
    if not folder.names:
        return _question_of_instances(folder, words)
    vocabulary = words or Vocabulary(tuple(map(Concept, dict.fromkeys(folder.names.values()))))
    unknown = [name for name in _asked(vocabulary) if name not in folder.names.values()]
    if unknown:
        raise VocabularyError(
            f"{folder.path} knows no {unknown[0]!r}; there is: "
            f"{listed_by_nearness(unknown[0], folder.names.values())}"
        )
    # In the folder's order ties would go to what it lists first.
    order = np.random.default_rng(seed).permutation(len(vocabulary))
    vocabulary = Vocabulary(tuple(vocabulary.concepts[place] for place in order))
    label_of = {name: label for label, name in enumerate(vocabulary.names, start=1)}
    return _Question(
        vocabulary,
        {value: label_of[name] for value, name in folder.names.items() if name in label_of},
        instances=False,
        ignore=None if VOID in folder.names else len(vocabulary) + 1,
    )


def _question_of_instances(folder: LabelledFolder, words: Vocabulary | None) -> _Question:
    asked = _asked(words) if words is not None else ()
    if words is None or len(asked) != 1:
        raise VocabularyError(
            f"{folder.path} names no concepts, so its maps count examples of one; say which with "
            f"--prompts and exactly one concept that has no leading '-', got {len(asked)}"
        )
    ordered = sorted(words.concepts, key=lambda concept: concept.negative)
    return _Question(Vocabulary(tuple(ordered)), {}, instances=True, ignore=None)


def _asked(vocabulary: Vocabulary) -> tuple[str, ...]:
    return tuple(concept.name for concept in vocabulary if not concept.negative)


def _truth(picture: LabelledPicture, question: _Question) -> Labels:
    if question.instances:
        return np.asarray(picture.values > 0, np.uint8)
    truth: NDArray[np.int64] = np.zeros(picture.values.shape, np.int64)
    for value, label in question.label_of.items():
        truth[picture.values == value] = label
    if question.ignore is not None:
        truth[picture.values == VOID] = question.ignore
    return truth
