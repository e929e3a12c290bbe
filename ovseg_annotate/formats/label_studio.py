"""Label Studio tasks: one JSON file to import, and the JSON that Label Studio exports.

Frame: percent of the upright picture (`label_studio_results`). What a machine suggested becomes a
prediction with a score and, for model_version, the digest of its provenance; what a person drew
becomes an annotation. Our own reader finds name, size, vocabulary and provenance in the task's
`meta`. Margins are not kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, quote, unquote, urlsplit

from ovseg_annotate.errors import FormatError
from ovseg_annotate.formats.atomic import atomic_file
from ovseg_annotate.formats.concepts import ReadConcepts, extended, parsed_vocabulary
from ovseg_annotate.formats.fields import Field, plain_json
from ovseg_annotate.formats.file_names import file_or_in
from ovseg_annotate.formats.json_stream import elements
from ovseg_annotate.formats.label_studio_results import (
    LabelStudioOptions,
    concepts_of_results,
    regions_of_results,
    results_of,
    size_of_results,
    task_score,
)
from ovseg_annotate.formats.native import provenance_of
from ovseg_annotate.geometry import Size
from ovseg_annotate.regions import AnnotatedImage, Region
from ovseg_annotate.vocabulary import Vocabulary

__all__ = ["LabelStudioOptions", "read", "read_annotations", "task_of", "write"]

FILE_NAME = "tasks.json"

_META = "ovseg"
_UPLOADS = "/data/upload/"
_DEFAULTS = LabelStudioOptions()


def write(
    images: Iterable[AnnotatedImage], folder: Path, options: LabelStudioOptions = _DEFAULTS
) -> tuple[Path, ...]:
    """Write tasks.json, one task a line."""
    path = folder / FILE_NAME
    with atomic_file(path) as file:
        separator = b"[\n"
        for image in images:
            file.write(separator + plain_json(task_of(image, options)).encode("ascii"))
            separator = b",\n"
        file.write(b"[]\n" if separator == b"[\n" else b"\n]\n")
    return (path,)


def task_of(image: AnnotatedImage, options: LabelStudioOptions = _DEFAULTS) -> dict[str, object]:
    """One task as Label Studio imports it."""
    results = results_of(image, options)
    name = quote(image.name) if options.image_prefix else image.name
    meta: dict[str, object] = {
        "name": image.name,
        "width": image.size.width,
        "height": image.size.height,
        "vocabulary": str(image.vocabulary),
    }
    task: dict[str, object] = {
        "data": {options.image_key: options.image_prefix + name},
        "meta": {_META: meta},
    }
    if image.provenance is None:
        return task | {"annotations": [{"result": results}]}
    meta["provenance"] = image.provenance.as_plain()
    prediction: dict[str, object] = {
        "model_version": image.provenance.digest,
        "result": results,
    }
    score = task_score(image)
    if score is not None:
        prediction["score"] = score
    return task | {"predictions": [prediction]}


def read(path: Path) -> Iterator[AnnotatedImage]:
    """Read a JSON export, or tasks.json of a folder, task by task.

    The annotation that was changed last counts, or where nobody drew anything the last
    prediction. A task with neither regions nor a known size is passed over.
    """
    return _read(path, predictions=True)


def read_annotations(path: Path) -> Iterator[AnnotatedImage]:
    """Read only what people drew or let stand; tasks that nobody answered are passed over."""
    return _read(path, predictions=False)


def _read(path: Path, *, predictions: bool) -> Iterator[AnnotatedImage]:
    path = file_or_in(path, FILE_NAME)
    vocabularies = _Vocabularies(path)
    for element in elements(path):
        task = element.field
        annotation, meta = _annotation(task), _meta(task)
        if annotation is None and not predictions:
            continue
        results = _prediction(task) if annotation is None else annotation
        size = _size(meta, results)
        if size is None:
            continue
        regions = () if results is None else regions_of_results(results)
        if annotation is not None:
            # A person who accepts a suggestion answers for it, whatever score it came with.
            regions = tuple(replace(region, confidence=None) for region in regions)
        yield AnnotatedImage(
            _name(task, meta),
            size,
            regions,
            vocabularies.of(meta, regions),
            None if meta is None or annotation is not None else provenance_of(meta),
        )


class _Vocabularies:
    """The vocabulary of each task: its own, or for foreign files one of all their concepts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._of_file: Vocabulary | None = None
        self._text = ""
        self._of_text: Vocabulary | None = None

    def of(self, meta: Field | None, regions: Iterable[Region]) -> Vocabulary:
        field = None if meta is None else meta.find("vocabulary")
        if field is None:
            if self._of_file is None:
                self._of_file = _vocabulary_of_file(self._path)
            return self._of_file
        if self._of_text is None or field.text() != self._text:
            self._text = field.text()
            self._of_text = parsed_vocabulary(self._text, field.where)
        return extended(self._of_text, (region.concept for region in regions), field.where)


def _vocabulary_of_file(path: Path) -> Vocabulary:
    names: dict[str, None] = {}
    for element in elements(path):
        annotation = _annotation(element.field)
        results = _prediction(element.field) if annotation is None else annotation
        if results is not None:
            names.update(dict.fromkeys(concepts_of_results(results)))
    if not names:
        raise FormatError(f"{path}: no labelled region in any task, so there is nothing to read")
    return ReadConcepts(names, str(path)).vocabulary


def _annotation(task: Field) -> Field | None:
    """The results of the annotation that was changed last and not cancelled."""
    annotations = task.find("annotations")
    if annotations is None:
        return None
    valid = [
        item
        for item in annotations.items()
        if item.find("was_cancelled") is None or item.get("was_cancelled").value is False
    ]
    return max(valid, key=_changed).get("result") if valid else None


def _changed(annotation: Field) -> str:
    """ISO time, which sorts as text."""
    for name in ("updated_at", "created_at"):
        time = annotation.find(name)
        if time is not None:
            return time.text()
    return ""


def _prediction(task: Field) -> Field | None:
    """The results of the last prediction; exports may hold only its number."""
    predictions = task.find("predictions")
    if predictions is None:
        return None
    found = [item for item in predictions.items() if isinstance(item.value, dict)]
    return found[-1].get("result") if found else None


def _meta(task: Field) -> Field | None:
    """What we wrote ourselves."""
    meta = task.find("meta")
    return None if meta is None else meta.find(_META)


def _size(meta: Field | None, results: Field | None) -> Size | None:
    if meta is not None:
        return meta.size()
    return None if results is None else size_of_results(results)


def _name(task: Field, meta: Field | None) -> str:
    """The picture's path, from our own note or from its address."""
    if meta is not None:
        return meta.get("name").text()
    data = task.get("data")
    if not isinstance(data.value, dict):
        raise data.wrong("an object {...}")
    texts = [value for value in data.value.values() if isinstance(value, str)]
    address = next((text for text in texts if PurePosixPath(_path_in(text)).suffix), "")
    if not address:
        raise data.wrong("the address of a picture")
    path = _path_in(address)
    if address.startswith(_UPLOADS):
        # Uploads are stored as <8 hexadecimal digits>-<name>.
        return re.sub(r"^[0-9a-f]{8}-", "", PurePosixPath(path).name)
    return path.lstrip("/")


def _path_in(address: str) -> str:
    parts = urlsplit(address)
    local = parse_qs(parts.query).get("d")
    return local[0] if local else unquote(parts.path)
