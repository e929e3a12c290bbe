"""Answers of a server, as its client reads them, and uploads, as the server reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from hostile.reader import PROVENANCE, WORDS, Change, Reader

from ovseg_annotate.annotation import Annotation
from ovseg_annotate.geometry import Size, Window
from ovseg_annotate.image import ReadingOptions, from_array
from ovseg_annotate.label_map import LabelMap
from ovseg_annotate.lessons.lesson import Lesson
from ovseg_annotate.lessons.phrase_weights import PhraseWeight, shared_phrases
from ovseg_annotate.pointing.cells import CellEvidence, Grid
from ovseg_annotate.pointing.examples import VisualExamples
from ovseg_annotate.pointing.picking import Picked
from ovseg_annotate.remote import checked_answers as checked
from ovseg_annotate.text.bank import TextBank
from ovseg_annotate.vocabulary import Vocabulary
from ovseg_annotate.wire import answers
from ovseg_annotate.wire.pictures import picture_bytes, picture_of

SIZE = Size(height=6, width=8)
FILE = "answer.packet"
LIMITS = ReadingOptions(maximum_pixels=2**20, maximum_bytes=2**22)


def packets() -> dict[str, tuple[bytes, Callable[[bytes, str], object]]]:
    """A good packet of each kind, and who reads it."""
    unit = np.eye(3, 4, dtype=np.float32)
    shares = np.full((6, 8), 0.5, np.float16)
    label_map = LabelMap(np.ones((6, 8), np.uint8), shares, shares, WORDS)
    grid = Grid(SIZE, Size(3, 4), Window(1, 1, 1, 2))
    synonyms = Vocabulary.parse("car: sedan, saloon; road; -sky")
    said = np.ones((2, len(shared_phrases(synonyms))), np.float32)
    evidence = CellEvidence(unit[:2], unit[:2, :3], grid, synonyms, said)
    bank = TextBank(WORDS, torch.ones(len(WORDS.phrases), 4), "wording", ("one",))
    shown = VisualExamples("engine", ("car",), (True,), unit[:1], unit[:1], unit[0, :1], 0.7)
    ones = np.ones((3, 1), np.float32)
    phrases = (PhraseWeight("car", "sedan", 0.5),)
    lesson = Lesson("ab", "space", ("car",), ones[0], unit, ones, phrases=phrases)
    values = np.random.default_rng(1).random((6, 8)).astype(np.float32)
    values[0] = np.nan
    words, whole = {"words": WORDS}, {"words": WORDS, "size": SIZE}
    return {
        "annotation": (
            answers.annotation_bytes(Annotation("key", label_map, PROVENANCE, ("one",))),
            partial(checked.annotation_about, **whole),
        ),
        "picked": (
            answers.picked_bytes(Picked(np.ones((6, 8), np.bool_), 0.5)),
            partial(checked.picked_about, size=SIZE),
        ),
        "evidence": (
            answers.evidence_bytes(evidence),
            partial(checked.evidence_about, words=synonyms, size=SIZE),
        ),
        "words": (answers.text_bank_bytes(bank), partial(checked.text_bank_about, **words)),
        "vector": (answers.vector_bytes(unit[0]), answers.vector_of),
        "examples": (answers.examples_bytes(shown), answers.examples_of),
        "lesson": (answers.lesson_bytes(lesson), answers.lesson_of),
        "picture": (
            picture_bytes(from_array(values)),
            lambda data, where: picture_of(data, where, LIMITS),
        ),
    }


def packet_readers() -> Iterator[Reader]:
    for kind, (good, read) in packets().items():
        yield Reader(
            f"packet {kind}",
            partial(_write, good),
            partial(_read, read),
            inside=_header_changed,
        )


def _write(good: bytes, folder: Path) -> None:
    (folder / FILE).write_bytes(good)


def _read(reader: Callable[[bytes, str], object], folder: Path) -> object:
    return reader((folder / FILE).read_bytes(), str(folder / FILE))


def _header_changed(data: bytes, change: Change) -> bytes:
    """Another header of the right length in front of the same arrays."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = change(data[8:end])
    return len(header).to_bytes(8, "little") + header + data[end:]
