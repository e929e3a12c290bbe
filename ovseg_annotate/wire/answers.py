"""What sessions give, as packets."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.annotation import Annotation
from ovseg_annotate.errors import FormatError
from ovseg_annotate.formats.fields import Field
from ovseg_annotate.geometry import Size, Window
from ovseg_annotate.label_map import LabelMap, label_dtype
from ovseg_annotate.lessons.lesson import Lesson
from ovseg_annotate.pointing.cells import CellEvidence, Grid
from ovseg_annotate.pointing.examples import VisualExamples
from ovseg_annotate.pointing.picking import Picked
from ovseg_annotate.provenance import Provenance
from ovseg_annotate.vocabulary import Vocabulary
from ovseg_annotate.wire.packets import packed, unpacked

if TYPE_CHECKING:
    from ovseg_annotate.text.bank import TextBank

_MAPS = ("labels", "confidence", "margin")
_EXAMPLES = ("prototypes", "directions", "unlike")
_LESSON = ("offsets", "anchors", "lifts")


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
    vocabulary = Vocabulary.parse(packet.text("vocabulary"))
    label_map = LabelMap(
        packet.array("labels", label_dtype(vocabulary), 2),
        packet.array("confidence", np.float16, 2),
        packet.array("margin", np.float16, 2),
        vocabulary,
    )
    provenance = Provenance.from_plain(packet.field("provenance").value)
    return Annotation(
        packet.text("image_key"), label_map, provenance, _texts(packet.field("warnings"))
    )


def picked_bytes(picked: Picked) -> bytes:
    return packed("picked", {"score": json.dumps(picked.score)}, {"mask": picked.mask})


def picked_of(data: bytes, where: str) -> Picked:
    packet = unpacked(data, "picked", where)
    return Picked(packet.array("mask", np.bool_, 2), packet.field("score").number())


def vector_bytes(vector: NDArray[np.float32]) -> bytes:
    return packed("vector", {}, {"vector": vector})


def vector_of(data: bytes, where: str) -> NDArray[np.float32]:
    return unpacked(data, "vector", where).array("vector", np.float32, 1)


def evidence_bytes(evidence: CellEvidence) -> bytes:
    arrays = {"log_odds": evidence.log_odds}
    if evidence.vectors is not None:
        arrays["vectors"] = evidence.vectors
    texts = {
        "grid": json.dumps(asdict(evidence.grid)),
        "vocabulary": str(evidence.vocabulary),
    }
    return packed("evidence", texts, arrays)


def evidence_of(data: bytes, where: str) -> CellEvidence:
    packet = unpacked(data, "evidence", where)
    vectors = packet.array("vectors", np.float32, 2) if "vectors" in packet.arrays else None
    grid = packet.field("grid")
    return CellEvidence(
        vectors,
        packet.array("log_odds", np.float32, 2),
        Grid(_size(grid.get("picture")), _size(grid.get("whole")), _window(grid.get("part"))),
        Vocabulary.parse(packet.text("vocabulary")),
    )


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
    return TextBank(
        Vocabulary.parse(packet.text("vocabulary")),
        torch.from_numpy(packet.array("embeddings", np.float32, 2)),
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
    if not all(np.isfinite(each).all() for each in (prototypes, directions, unlike)):
        raise FormatError(f"{where}: examples need finite numbers")
    return VisualExamples(
        packet.text("engine"),
        concepts,
        positive,
        prototypes,
        directions,
        unlike,
        packet.field("weight").number(),
    )


def lesson_bytes(lesson: Lesson) -> bytes:
    texts = {
        "digest": lesson.digest,
        "space": lesson.space,
        "concepts": json.dumps(lesson.concepts),
        "reach": json.dumps(lesson.reach),
    }
    return packed("lesson", texts, {name: getattr(lesson, name) for name in _LESSON})


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
        )
    except ValueError as error:
        raise FormatError(f"{where}: {error}") from error


def _texts(field: Field) -> tuple[str, ...]:
    return tuple(item.text() for item in field.items())


def _size(field: Field) -> Size:
    return Size(field.get("height").whole(1), field.get("width").whole(1))


def _window(field: Field) -> Window:
    names = ("top", "left", "height", "width")
    return Window(*(field.get(name).whole() for name in names))
