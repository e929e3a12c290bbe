"""What sessions give, as packets."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.annotation import Annotation
from ovseg_annotate.errors import FormatError
from ovseg_annotate.formats.concepts import parsed_vocabulary
from ovseg_annotate.formats.fields import Field
from ovseg_annotate.formats.native import provenance_in
from ovseg_annotate.geometry import Size, Window
from ovseg_annotate.label_map import LabelMap, label_dtype
from ovseg_annotate.lessons.lesson import Lesson
from ovseg_annotate.lessons.phrase_weights import PhraseWeight, shared_phrases
from ovseg_annotate.lessons.tuned_head import TunedHead
from ovseg_annotate.pointing.cells import CellEvidence, Grid
from ovseg_annotate.pointing.examples import VisualExamples
from ovseg_annotate.pointing.picking import Picked
from ovseg_annotate.vocabulary import Vocabulary
from ovseg_annotate.wire.packets import Packet, packed, unpacked

if TYPE_CHECKING:
    from ovseg_annotate.text.bank import TextBank

_MAPS = ("labels", "confidence", "margin")
_EXAMPLES = ("prototypes", "directions", "unlike")
_LESSON = ("offsets", "anchors", "lifts")
_ONE = 0x3C00  # the bits of 1.0 in float16; those of smaller numbers down to 0.0 are smaller ones


def annotation_bytes(annotation: Annotation) -> bytes:
    label_map = annotation.label_map
    texts = {
        "image_key": annotation.image_key,
        "vocabulary": str(label_map.vocabulary),
        "provenance": json.dumps(asdict(annotation.provenance)),
        "warnings": json.dumps(annotation.warnings),
    }
    return packed("annotation", texts, {name: getattr(label_map, name) for name in _MAPS})


def annotation_of(data: bytes, where: str) -> Annotation:
    packet = unpacked(data, "annotation", where)
    vocabulary = _vocabulary(packet)
    labels = packet.array("labels", label_dtype(vocabulary), 2)
    confidence, margin = (packet.array(name, np.float16, 2) for name in _MAPS[1:])
    if not labels.shape == confidence.shape == margin.shape or not labels.size:
        raise FormatError(f"{where}: its maps are of {labels.shape} and {confidence.shape} pixels")
    if int(labels.max()) > len(vocabulary):
        raise FormatError(f"{where}: label {labels.max()} is beyond {len(vocabulary)} concepts")
    if not (_are_shares(confidence) and _are_shares(margin)):
        raise FormatError(f"{where}: confidences and margins must be 0 to 1")
    return Annotation(
        packet.text("image_key"),
        LabelMap(labels, confidence, margin, vocabulary),
        provenance_in(packet.field("provenance")),
        _texts(packet.field("warnings")),
    )


def picked_bytes(picked: Picked) -> bytes:
    return packed("picked", {"score": json.dumps(picked.score)}, {"mask": picked.mask})


def picked_of(data: bytes, where: str) -> Picked:
    packet = unpacked(data, "picked", where)
    return Picked(packet.array("mask", np.bool_, 2), packet.field("score").share())


def vector_bytes(vector: NDArray[np.float32]) -> bytes:
    return packed("vector", {}, {"vector": vector})


def vector_of(data: bytes, where: str) -> NDArray[np.float32]:
    vector = unpacked(data, "vector", where).array("vector", np.float32, 1)
    _check_finite(where, vector)
    return vector


def evidence_bytes(evidence: CellEvidence) -> bytes:
    arrays = {"log_odds": evidence.log_odds}
    if evidence.vectors is not None:
        arrays["vectors"] = evidence.vectors
    if evidence.phrases is not None:
        arrays["phrases"] = evidence.phrases
    texts = {
        "grid": json.dumps(asdict(evidence.grid)),
        "vocabulary": str(evidence.vocabulary),
    }
    return packed("evidence", texts, arrays)


def evidence_of(data: bytes, where: str) -> CellEvidence:
    packet = unpacked(data, "evidence", where)
    log_odds, grid = packet.array("log_odds", np.float32, 2), _grid(packet.field("grid"))
    vectors, phrases = (
        packet.array(name, np.float32, 2) if name in packet.arrays else None
        for name in ("vectors", "phrases")
    )
    vocabulary = _vocabulary(packet)
    cells = grid.part.size.area
    seen = cells if vectors is None else len(vectors)
    if log_odds.shape != (cells, len(vocabulary)) or seen != cells:
        raise FormatError(
            f"{where}: log-odds of shape {log_odds.shape} and {seen} vectors for {cells} cells and "
            f"{len(vocabulary)} concepts"
        )
    shared = len(shared_phrases(vocabulary))
    if phrases is not None and phrases.shape != (cells, shared):
        raise FormatError(
            f"{where}: what phrases say is of shape {phrases.shape} for {cells} cells and "
            f"{shared} phrases"
        )
    _check_finite(where, *(each for each in (log_odds, vectors, phrases) if each is not None))
    return CellEvidence(vectors, log_odds, grid, vocabulary, phrases)


def text_bank_bytes(bank: TextBank) -> bytes:
    texts = {
        "vocabulary": str(bank.vocabulary),
        "wording": bank.wording,
        "warnings": json.dumps(bank.warnings),
    }
    return packed("text", texts, {"embeddings": bank.embeddings.float().cpu().numpy()})


def text_bank_of(data: bytes, where: str) -> TextBank:
    import torch  # noqa: PLC0415  a text bank holds tensors; nothing else here does

    from ovseg_annotate.text.bank import TextBank  # noqa: PLC0415

    packet = unpacked(data, "text", where)
    vocabulary = _vocabulary(packet)
    embeddings = packet.array("embeddings", np.float32, 2)
    if len(embeddings) != len(vocabulary.phrases):
        raise FormatError(
            f"{where}: {len(embeddings)} vectors for {len(vocabulary.phrases)} phrases"
        )
    _check_finite(where, embeddings)
    return TextBank(
        vocabulary,
        torch.from_numpy(embeddings),
        packet.text("wording"),
        _texts(packet.field("warnings")),
    )


def examples_bytes(examples: VisualExamples) -> bytes:
    texts = {
        "engine": examples.engine,
        "concepts": json.dumps(examples.concepts),
        "positive": json.dumps(examples.positive),
        "weight": json.dumps(examples.weight),
    }
    return packed("examples", texts, {name: getattr(examples, name) for name in _EXAMPLES})


def examples_of(data: bytes, where: str) -> VisualExamples:
    packet = unpacked(data, "examples", where)
    concepts = _texts(packet.field("concepts"))
    positive = tuple(item.value is True for item in packet.field("positive").items())
    prototypes, directions = (packet.array(name, np.float32, 2) for name in _EXAMPLES[:2])
    unlike = packet.array("unlike", np.float32, 1)
    lengths = {len(concepts), len(positive), len(prototypes), len(directions), len(unlike)}
    if len(lengths) != 1 or prototypes.shape != directions.shape:
        raise FormatError(f"{where}: its parts are of {sorted(lengths)} examples")
    _check_finite(where, prototypes, directions, unlike)
    weight = packet.field("weight")
    if not 0.5 <= weight.number() < 1:
        raise weight.wrong("a number from 0.5 to below 1")
    return VisualExamples(
        packet.text("engine"),
        concepts,
        positive,
        prototypes,
        directions,
        unlike,
        weight.number(),
    )


def lesson_bytes(lesson: Lesson) -> bytes:
    texts = {
        "digest": lesson.digest,
        "space": lesson.space,
        "concepts": json.dumps(lesson.concepts),
        "reach": json.dumps(lesson.reach),
        "head": "" if lesson.head is None else lesson.head.digest,
    }
    if lesson.phrases:
        texts["phrases"] = json.dumps([asdict(each) for each in lesson.phrases])
    arrays: dict[str, NDArray[np.floating]] = {name: getattr(lesson, name) for name in _LESSON}
    if lesson.head is not None:
        arrays |= lesson.head.arrays
    return packed("lesson", texts, arrays)


def lesson_of(data: bytes, where: str) -> Lesson:
    packet = unpacked(data, "lesson", where)
    try:
        return Lesson(
            packet.text("digest"),
            packet.text("space"),
            _texts(packet.field("concepts")),
            packet.array("offsets", np.float32, 1),
            packet.array("anchors", np.float32, 2),
            packet.array("lifts", np.float32, 2),
            packet.field("reach").number(),
            _phrase_weights(packet.field("phrases")) if "phrases" in packet.texts else (),
            TunedHead.among(packet.texts.get("head", ""), packet.arrays),
        )
    except ValueError as error:
        raise FormatError(f"{where}: {error}") from error


def _vocabulary(packet: Packet) -> Vocabulary:
    return parsed_vocabulary(packet.text("vocabulary"), packet.where)


def _are_shares(values: NDArray[np.float16]) -> bool:
    # Whole numbers are compared thirty times as fast; -0.0 is among what is looked at again.
    if int(values.view(np.uint16).max()) <= _ONE:
        return True
    return bool(((values >= 0) & (values <= 1)).all())


def _check_finite(where: str, *arrays: NDArray[np.float32]) -> None:
    if not all(np.isfinite(each).all() for each in arrays):
        raise FormatError(f"{where}: expected finite numbers")


def _texts(field: Field) -> tuple[str, ...]:
    return tuple(item.text() for item in field.items())


def _grid(field: Field) -> Grid:
    whole, part = field.get("whole"), field.get("part")
    grid = Grid(_size(field.get("picture")), _size(whole), _window(part))
    if grid.part.bottom > grid.whole.height or grid.part.right > grid.whole.width:
        raise part.wrong(f"a part of {grid.whole} cells")
    return grid


def _phrase_weights(field: Field) -> tuple[PhraseWeight, ...]:
    return tuple(
        PhraseWeight(
            item.get("concept").text(), item.get("phrase").text(), item.get("weight").number()
        )
        for item in field.items()
    )


def _size(field: Field) -> Size:
    return Size(field.get("height").whole(1), field.get("width").whole(1))


def _window(field: Field) -> Window:
    top, left = (field.get(name).whole() for name in ("top", "left"))
    return Window(top, left, field.get("height").whole(1), field.get("width").whole(1))
