"""What programs keep between starts, which others may have changed or sent: journals, versions,
looks, what was typed, descriptions, lakes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hostile.reader import WORDS, Change, Reader, annotated
from safetensors.numpy import load, save

from labelstudio_backend.door_state import DoorState, read_state, write_state
from labelstudio_backend.projects import ProjectState, TypedWords
from labelstudio_backend.remembered import RememberedProjects
from labelstudio_backend.words import Wording
from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.descriptions.lexicon import lexicon_of_file
from ovseg_annotate.descriptions.prompts import ConceptPrompt, Source
from ovseg_annotate.descriptions.store import AnswerStore
from ovseg_annotate.geometry import Window
from ovseg_annotate.image import ReadingOptions
from ovseg_annotate.lake import Answer, FileState, Lake, LakeReader, Storage
from ovseg_annotate.learning_loop.choice import chosen
from ovseg_annotate.learning_loop.corrections import correction_of
from ovseg_annotate.learning_loop.journal import Journal
from ovseg_annotate.learning_loop.looks import Look, Looks
from ovseg_annotate.learning_loop.sealed_lines import sealed, unsealed
from ovseg_annotate.learning_loop.uncertainty import Patch
from ovseg_annotate.learning_loop.versions import Versions
from ovseg_annotate.lessons.lesson import Lesson
from ovseg_annotate.lessons.phrase_weights import PhraseWeight
from ovseg_annotate.lessons.version import (
    Version,
    VersionCard,
    _seal,
    read_version,
    version_bytes,
)
from ovseg_annotate.regions import RegionOptions
from ovseg_annotate.run_folder import RunSettings

SERVER = "http://127.0.0.1:8080"


def kept_readers() -> Iterator[Reader]:
    yield from _learning()
    yield from _doors()
    yield from _descriptions()
    yield Reader("lake", _write_lake, _read_lake, inside=_rows_changed)


def _lines_changed(data: bytes, change: Change) -> bytes:
    """Sealed lines stay sealed."""
    entries = (unsealed(line + b"\n") for line in data.splitlines())
    return b"".join(sealed(change(entry)) for entry in entries if entry is not None)


def settings() -> RunSettings:
    options = (AnnotateOptions(), RegionOptions(), ReadingOptions())
    return RunSettings("fake@none", "0" * 64, "", str(WORDS), *options)


def a_version() -> Version:
    arrays = [np.ones(shape, np.float32) for shape in (1, (2, 4), (2, 1))]
    card = VersionCard(
        "ab" * 32, "vectors@none", "0" * 64, "space", "", str(WORDS), "", "", (("a.png", "cd"),),
        "residual", (), "folds", 0.25, 0.5, ("car",), 0.5, "", "2026-01-31T12:00:00+00:00", "0",
        phrases=(PhraseWeight("car", "sedan", 0.5),),
    )  # fmt: skip
    lesson = Lesson(card.digest, card.space, card.concepts, *arrays, card.reach, card.phrases)
    return Version(card, lesson)


def card_changed(data: bytes, change: Change) -> bytes:
    """As somebody who knows how versions are sealed would change one."""
    length = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + length])["__metadata__"]
    arrays, card = load(data), change(metadata["card"].encode()).decode("utf-8", "replace")
    return bytes(save(arrays, metadata | {"card": card, "sha256": _seal(card, arrays)}))


def _write_journal(folder: Path) -> None:
    with Journal(folder) as journal:
        journal.take(correction_of(None, annotated("a.png"), accepted=True), "2026-01-31")
        journal.take(correction_of(None, annotated("b.png"), accepted=False), "2026-02-01")
        journal.withdraw("a.png", "2026-03-01")


def _read_journal(folder: Path) -> object:
    with Journal(folder) as journal:
        return journal.digest, list(journal.corrections()), list(journal.entries())


def _write_versions(folder: Path) -> None:
    versions = Versions(folder)
    versions.use(versions.add(a_version()))


def _carried(folder: Path) -> object:
    """A version of another machine is taken in, used, and given away again."""
    here = Versions(folder / "here")
    name = here.take_in((folder / "a.lesson").read_bytes(), str(folder / "a.lesson"), "space")
    here.use(name)
    here.export(name, folder / "again.lesson")
    return here.current


def _write_looks(folder: Path) -> None:
    looks = Looks(folder)
    for number, name in enumerate(("a.png", "b.png", "c.png")):
        patch = Patch(Window(0, 0, 8, 8), 0.5, ("car", ""))
        vector = np.arange(number, number + 4).astype(np.float16)
        looks.add(Look(name, f"settings {name}", 0.1 * number, (patch,), vector))


def _read_looks(folder: Path) -> object:
    looks = Looks(folder)
    found = [looks.get(f"settings {name}") for name in ("a.png", "b.png", "c.png")]
    known = [look for look in found if look is not None]
    return [choice.reason for choice in chosen(known[1:], known[:1], 2, "both")]


def _learning() -> Iterator[Reader]:
    yield Reader("journal", _write_journal, _read_journal, "journal.jsonl", _lines_changed)
    yield Reader(
        "version",
        lambda folder: (folder / "a.lesson").write_bytes(version_bytes(a_version())),
        lambda folder: read_version(folder / "a.lesson"),
        inside=card_changed,
    )
    yield Reader(
        "version of another machine",
        lambda folder: (folder / "a.lesson").write_bytes(version_bytes(a_version())),
        _carried,
        inside=card_changed,
    )
    yield Reader(
        "versions of a project", _write_versions, lambda folder: Versions(folder).current, "*.json"
    )
    yield Reader("looks", _write_looks, _read_looks, inside=_lines_changed)


def _write_typed(folder: Path) -> None:
    words = TypedWords("image", Wording("car", ("sedan", "a red car"), 0.4))
    RememberedProjects(folder, SERVER).write("3", ProjectState({"contrast": "none"}, (words,)))


def _read_typed(folder: Path) -> object:
    state = RememberedProjects(folder, SERVER).read("3")
    return state.identity, state.wordings("image"), dict(state.extra_params)


def _doors() -> Iterator[Reader]:
    yield Reader("typed words of a project", _write_typed, _read_typed, inside=_lines_changed)
    yield Reader(
        "state of a learning project",
        lambda folder: write_state(folder, DoorState(3, "3.17", SERVER, "ab")),
        read_state,
    )


_NUCLEUS = ConceptPrompt("nucleus", ("dark blue",), ("round",), source=Source.ENDPOINT)


def _write_lexicon(folder: Path) -> None:
    told = [
        {"name": "nucleus", "colour": ["dark blue"], "synonyms": ["nuclei", "cell nucleus"]},
        {"name": "chair", "shape_size": ["four legs"], "texture_material": "wood"},
    ]
    (folder / "told.yaml").write_text(json.dumps(told))


def _read_lexicon(folder: Path) -> object:
    lexicon = lexicon_of_file(folder / "told.yaml")
    return lexicon.digest, lexicon.describe(["a red chair", "nuclei", "bowl of fruit", ""])


def _descriptions() -> Iterator[Reader]:
    yield Reader("lexicon", _write_lexicon, _read_lexicon)
    yield Reader(
        "kept answers of a language model",
        lambda folder: AnswerStore(folder, "model").put(_NUCLEUS),
        lambda folder: AnswerStore(folder, "model").get("nucleus"),
    )


def _write_lake(folder: Path) -> None:
    file = FileState("/photos/a.png", 123, "1")
    lake = Lake.adopted(Storage(str(folder)), settings(), 4, replace=False)
    lake.write_part([Answer(name, file, "ab", annotated(name)) for name in ("a.png", "b.png")])
    lake.write_part([Answer("c.png", file, "", None, error="cut off")])


def _read_lake(folder: Path) -> object:
    reader = LakeReader(str(folder))
    lake = Lake.adopted(reader.storage, reader.settings, 4, replace=False)
    return [image.regions for image in reader.images()], list(lake.known())


def _rows_changed(data: bytes, change: Change) -> bytes:
    """Whole Parquet with other rows, and the types that come of them."""
    if not data.startswith(b"PAR1"):
        return change(data)
    table = pq.read_table(pa.BufferReader(data))
    sink = pa.BufferOutputStream()
    try:
        rows = json.loads(change(json.dumps(table.to_pylist()).encode()))
        pq.write_table(_table_of(rows, table.schema), sink)
    except (ValueError, TypeError, AttributeError, OverflowError, pa.ArrowException):
        return change(data)  # rows that no table holds
    return bytes(sink.getvalue())


def _table_of(rows: list[dict[str, object]], schema: pa.Schema) -> pa.Table:
    try:
        return pa.Table.from_pylist(rows, schema=schema)
    except (pa.ArrowException, TypeError, ValueError):
        return pa.Table.from_pylist(rows)
