"""Vocabularies as an engine reads them, with what corrections and examples add to them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace

import torch

from ovseg_annotate.advice import advice_on
from ovseg_annotate.engine import pointable
from ovseg_annotate.lessons.lesson import Lesson
from ovseg_annotate.lessons.taught import taught_by
from ovseg_annotate.lessons.weighed import weighed_by
from ovseg_annotate.pointing.examples import VisualExamples
from ovseg_annotate.pointing.leanings import leanings_of
from ovseg_annotate.scoring import Scorer, Shift
from ovseg_annotate.text.bank import TextBank
from ovseg_annotate.text.contrast import with_contrast, without_echoes
from ovseg_annotate.vocabulary import Vocabulary

_KEPT = 16  # vocabularies


@dataclass(frozen=True, slots=True)
class Words:
    """A vocabulary as the engine reads it, with what the person should know about it."""

    bank: TextBank
    advice: tuple[str, ...]
    shifts: tuple[Shift, ...] = ()  # from corrections, then from visual examples
    examples: str = ""  # digest of visual examples


class WordBook:
    """Keeps the last vocabularies encoded; safe to share between threads.

    One book serves all heads of an engine: they read the same words.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Vocabulary, str], Words] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, scorer: Scorer, vocabulary: Vocabulary, contrast: str) -> Words:
        """The words alone, with those that compete."""
        known_words = scorer.engine.card.known_words
        key = (vocabulary, contrast)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        competing = with_contrast(vocabulary, contrast, known_words)
        with scorer.device_lock, torch.inference_mode():
            bank = scorer.engine.encode_text(competing)
            if contrast == "auto" and competing != vocabulary:
                bank = scorer.engine.encode_text(without_echoes(vocabulary, bank))
        words = Words(bank, (*bank.warnings, *advice_on(bank, known_words)))
        with self._lock:
            self._kept[key] = words
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return words

    def taught(
        self,
        scorer: Scorer,
        vocabulary: Vocabulary,
        contrast: str,
        lesson: Lesson | None,
        examples: VisualExamples | None,
    ) -> Words:
        """The words with what corrections taught, and what is pointed at on top of that."""
        words = self.read(scorer, vocabulary, contrast)
        if lesson is not None:
            words = replace(words, shifts=_shifts_of(lesson, scorer, words.bank))
        if examples is None or not len(examples):
            return words
        card = scorer.engine.card
        examples.check_engine(card.space)
        told = scorer.score_vectors(examples.prototypes, words.bank, words.shifts)
        leanings = leanings_of(examples, told, card.known_words)
        return replace(words, shifts=(*words.shifts, leanings), examples=leanings.digest)

    def clear(self) -> None:
        """Give their memory back."""
        with self._lock:
            self._kept.clear()


def _shifts_of(lesson: Lesson, scorer: Scorer, bank: TextBank) -> tuple[Shift, ...]:
    """What phrases count first, then what is added to their concepts."""
    weighed = None
    if lesson.phrases:
        tell = pointable(scorer.engine).score_vectors
        weighed = weighed_by(lesson, bank, scorer.engine.card.folds, tell)
    shifts = (weighed, taught_by(lesson, bank.vocabulary))
    return tuple(shift for shift in shifts if shift is not None)
