"""A version: a lesson with where it comes from, as one small file that never changes.

The file is in the safetensors format; its metadata holds the card as JSON and a sha256 over card
and arrays. Whatever is not as it was written is refused.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ovseg_annotate.errors import VersionError
from ovseg_annotate.lessons.lesson import Lesson
from ovseg_annotate.lessons.phrase_weights import PhraseWeight
from ovseg_annotate.lessons.tuned_head import TunedHead
from ovseg_annotate.options import read_options
from ovseg_annotate.plain_data import json_value

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SCHEMA = 3  # 1 knew no weights of phrases, 2 no tuned heads
_WITHOUT_HEAD = 2  # of files that programs from before tuned heads read, too
_LARGEST = 2**28  # bytes: a lesson with a tuned head has less than a tenth of it
_ARRAYS = ("offsets", "anchors", "lifts")
_ABOUT_HEADS = ("head", "head_before", "head_after")
_DAMAGED = "copy it again from where it was learnt, or go on without it ('ovseg versions RUN back')"


@dataclass(frozen=True, slots=True)
class VersionCard:
    """Where a version comes from, and what it promised."""

    digest: str  # of all that it was learnt from: equal inputs, equal digest
    model: str  # ENGINE@WEIGHTS
    weights: str  # sha256 of the base's weights
    space: str  # EngineCard.space of the base
    engine_options: str  # of the base, one line
    vocabulary: str  # that pictures were asked with
    options: str  # of annotating, one line
    settings: str  # of learning, one line
    corrections: tuple[tuple[str, str], ...]  # picture and digest of its answer, by picture
    candidate: str  # the way of learning that was chosen
    kept: tuple[str, ...]  # concepts left to the words although something is known of them
    held_back: str  # how corrections were held back to judge it
    before: float  # quality without any lesson on what was held back, 0 to 1
    after: float  # with this one
    concepts: tuple[str, ...]  # taught
    reach: float
    parent: str  # digest of the version in service when it was learnt; "": the base
    created: str  # ISO 8601, UTC
    program: str  # version of ovseg-annotate
    phrases: tuple[PhraseWeight, ...] = ()  # that count otherwise than they did
    head: str = ""  # digest of the fine-tuning that made the head beneath it; "": as it came
    head_before: str = ""  # sha256 of the weights that this version was fine-tuned from
    head_after: str = ""  # and of those that came out; "": this version left the head as it was


@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """What a refresh makes and a session takes."""

    card: VersionCard
    lesson: Lesson


def version_bytes(version: Version) -> bytes:
    """The whole file."""
    from safetensors.numpy import save  # noqa: PLC0415

    arrays: dict[str, NDArray[np.floating]] = {
        name: np.ascontiguousarray(getattr(version.lesson, name)) for name in _ARRAYS
    }
    plain, schema = asdict(version.card), _SCHEMA
    if version.lesson.head is None:
        schema = _WITHOUT_HEAD
        plain = {name: value for name, value in plain.items() if name not in _ABOUT_HEADS}
    else:
        arrays |= version.lesson.head.arrays
    card = json.dumps(plain, sort_keys=True, allow_nan=False)
    metadata = {"ovseg_lesson": str(schema), "card": card, "sha256": _seal(card, arrays)}
    content: bytes = save(arrays, metadata=metadata)
    return content


def read_version(path: Path) -> Version:
    """Read a file and check that it is as it was written."""
    try:
        if path.stat().st_size > _LARGEST:
            raise VersionError(f"{path} is too large to be a version of a model; {_DAMAGED}")
        content = path.read_bytes()
    except OSError as error:
        raise VersionError(
            f"cannot read the version {path}: {error.strerror or error}; list those there are "
            "with: ovseg versions PROJECT"
        ) from error
    return version_from(content, str(path))


def version_from(content: bytes, where: str) -> Version:
    """Read what `version_bytes` gave; `where` names it in errors."""
    from safetensors.numpy import load  # noqa: PLC0415

    try:
        metadata = _metadata(content)
        schema = int(metadata["ovseg_lesson"])
        if schema > _SCHEMA:
            raise VersionError(
                f"{where} was written as schema {schema} by a newer ovseg-annotate; this one "
                f"reads up to {_SCHEMA}: update it"
            )
        arrays = load(content)
        card_text = metadata["card"]
        if metadata["sha256"] != _seal(card_text, arrays):
            raise VersionError(f"{where} is damaged: its checksum does not fit; {_DAMAGED}")
        card = read_options(VersionCard, json_value(card_text))
        numbers = (card.before, card.after, card.reach, *(each.weight for each in card.phrases))
        if not all(map(math.isfinite, numbers)):
            raise VersionError(f"{where} has a number that is infinite or none; {_DAMAGED}")
        lesson = Lesson(
            card.digest,
            card.space,
            card.concepts,
            arrays["offsets"],
            arrays["anchors"],
            arrays["lifts"],
            card.reach,
            card.phrases,
            TunedHead.among(card.head, arrays),
        )
    except VersionError:
        raise
    except Exception as error:  # what is no safetensors file fails in ways of its own
        raise VersionError(
            f"{where} is not a version of a model, or damaged ({error}); {_DAMAGED}"
        ) from error
    return Version(card, lesson)


def _metadata(content: bytes) -> Mapping[str, str]:
    """Of a safetensors file: eight bytes with the length of the JSON that follows them."""
    length = int.from_bytes(content[:8], "little")
    metadata: Mapping[str, str] = json_value(content[8 : 8 + length])["__metadata__"]
    return metadata


def _seal(card: str, arrays: Mapping[str, NDArray[np.floating]]) -> str:
    whole = hashlib.sha256(card.encode())
    for name, array in sorted(arrays.items()):
        whole.update(f"{name} {array.shape} {array.dtype}".encode())
        whole.update(np.ascontiguousarray(array).tobytes())
    return whole.hexdigest()
