"""Answers of a server, checked against what was asked: it may be another's, or lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ovseg_annotate.annotation import Annotation
from ovseg_annotate.errors import FormatError
from ovseg_annotate.geometry import Size
from ovseg_annotate.pointing.cells import CellEvidence
from ovseg_annotate.pointing.picking import Picked
from ovseg_annotate.vocabulary import Vocabulary
from ovseg_annotate.wire import answers

if TYPE_CHECKING:
    from ovseg_annotate.text.bank import TextBank

SMALL = 2**28  # bytes of a packet that is about no pixels
_HEADER = 2**24


def most_bytes(pixels: int, each: int) -> int:
    """The longest packet with so many bytes for each pixel of a picture."""
    return pixels * each + _HEADER


def annotation_about(data: bytes, where: str, words: Vocabulary, size: Size | None) -> Annotation:
    found = answers.annotation_of(data, where)
    _check_words(found.label_map.vocabulary, words, where)
    if size is not None:
        _check_size(found.label_map.size, size, where)
    return found


def picked_about(data: bytes, where: str, size: Size) -> Picked:
    found = answers.picked_of(data, where)
    _check_size(Size(*found.mask.shape), size, where)
    return found


def evidence_about(data: bytes, where: str, words: Vocabulary, size: Size) -> CellEvidence:
    found = answers.evidence_of(data, where)
    _check_words(found.vocabulary, words, where)
    _check_size(found.grid.picture, size, where)
    return found


def text_bank_about(data: bytes, where: str, words: Vocabulary) -> TextBank:
    found = answers.text_bank_of(data, where)
    _check_words(found.vocabulary, words, where)
    return found


def _check_size(answered: Size, asked: Size, where: str) -> None:
    if answered != asked:
        raise FormatError(f"{where}: it is about a picture of {answered}, and ours is {asked}")


def _check_words(answered: Vocabulary, asked: Vocabulary, where: str) -> None:
    """What was asked for comes first; contrast phrases are added behind."""
    if answered.concepts[: len(asked)] != asked.concepts:
        raise FormatError(f"{where}: it is about other words than those that were asked for")
