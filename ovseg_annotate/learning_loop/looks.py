"""What a run's model sees in a picture, kept, so that choosing again costs nothing.

`looks.jsonl` is a cache of the run folder: it only ever grows, may be deleted at any time, and a
line that is damaged, or about another file or other settings, is as if it were not there.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.annotation import Annotation
from ovseg_annotate.errors import FormatError, ImageError
from ovseg_annotate.formats.fields import Field, parse_json, plain_json
from ovseg_annotate.geometry import Window
from ovseg_annotate.image import Image, read_image
from ovseg_annotate.learning_loop.sealed_lines import sealed, unsealed
from ovseg_annotate.learning_loop.uncertainty import Patch, picture_uncertainty, pixel_uncertainty
from ovseg_annotate.refused_writes import explained
from ovseg_annotate.run_folder import Fingerprint, RunSettings
from ovseg_annotate.vocabulary import Vocabulary

FILE_NAME = "looks.jsonl"


class Seeing(Protocol):
    """What looking needs of a session."""

    def annotate(
        self, image: Image, vocabulary: Vocabulary, options: AnnotateOptions
    ) -> Annotation: ...

    def picture_vector(self, image: Image, options: AnnotateOptions) -> NDArray[np.float32]: ...


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture of a run that can be looked at."""

    name: str
    settings: str  # RunSettings.digest
    sha256: str  # of its file
    source: Path

    @property
    def key(self) -> str:
        """Another file or other settings, another look."""
        return f"{self.settings} {self.sha256}"


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One picture as a run's model sees it."""

    picture: str  # its name in the run
    key: str  # of what was seen
    uncertainty: float  # 0 to 1
    patches: tuple[Patch, ...]  # the most uncertain first
    vector: NDArray[np.float16]  # (width,) how it looks, whatever the words; (0,) where unknown

    @property
    def settings(self) -> str:
        return self.key.partition(" ")[0]

    def renamed(self, picture: str) -> Look:
        """The same look at another file of the same content."""
        return replace(self, picture=picture)


@dataclass(frozen=True, slots=True)
class Eyes:
    """A session that looks at the pictures of a run as the run's settings say."""

    session: Seeing
    settings: RunSettings
    comparable: bool  # the engine gives vectors; others see only what is in doubt

    def look_at(self, seen: Seen) -> Look:
        """Read a picture and see what is in doubt and what it looks like: one pass of the tower."""
        if not _still_holds(seen):
            raise ImageError(
                f"{seen.source} is not the file that was annotated (moved or changed); name the "
                "folder it is in now, or give 'ovseg annotate' again"
            )
        image = read_image(seen.source, self.settings.reading)
        words, options = Vocabulary.parse(self.settings.vocabulary), self.settings.annotate
        label_map = self.session.annotate(image, words, options).label_map
        doubt = picture_uncertainty(label_map, pixel_uncertainty(label_map))
        vector = np.empty(0, np.float16)
        if self.comparable:
            vector = self.session.picture_vector(image, options).astype(np.float16)
        return Look(seen.name, seen.key, doubt.uncertainty, doubt.patches, vector)


class Looks:
    """The looks of a run folder, by key."""

    def __init__(self, run: Path) -> None:
        self._path = run / FILE_NAME
        self._known = _alike({look.key: look for look in _read(self._path)})

    def __len__(self) -> int:
        return len(self._known)

    def get(self, key: str) -> Look | None:
        return self._known.get(key)

    def add(self, look: Look) -> None:
        """Keep a look; a kill loses no more than this one."""
        # A line that a kill has torn ends here, and costs no other.
        with explained(self._path), self._path.open("ab") as file:
            if file.tell() and not _ends_a_line(self._path):
                file.write(b"\n")
            file.write(sealed(_plain(look)))
        self._known[look.key] = look


def _still_holds(seen: Seen) -> bool:
    try:
        return Fingerprint.of(seen.source).sha256 == seen.sha256
    except OSError:
        return False


def _read(path: Path) -> Iterator[Look]:
    if not path.is_file():
        return
    with explained(path), path.open("rb") as file:
        for line in file:
            data = unsealed(line.removesuffix(b"\n") + b"\n")  # torn behind its last brace: whole
            if data is None:
                continue
            try:
                yield _look(parse_json(data, str(path)))
            except FormatError:
                continue  # of another version of the program


def _alike(looks: Mapping[str, Look]) -> dict[str, Look]:
    """Those that can be compared: one model makes vectors of one width, as its last look has it."""
    widths = {look.settings: len(look.vector) for look in looks.values()}
    return {key: look for key, look in looks.items() if len(look.vector) == widths[look.settings]}


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read(1) == b"\n"


def _plain(look: Look) -> bytes:
    plain = {
        "picture": look.picture,
        "key": look.key,
        "uncertainty": look.uncertainty,
        "patches": [
            {
                "window": [
                    each.window.top,
                    each.window.left,
                    each.window.height,
                    each.window.width,
                ],
                "uncertainty": each.uncertainty,
                "concepts": list(each.concepts),
            }
            for each in look.patches
        ],
        "vector": base64.b64encode(look.vector.astype("<f2").tobytes()).decode("ascii"),
    }
    return plain_json(plain).encode("ascii")


def _look(field: Field) -> Look:
    return Look(
        field.get("picture").text(),
        field.get("key").text(),
        field.get("uncertainty").share(),
        tuple(_patch(item) for item in field.get("patches").items()),
        _vector(field.get("vector")),
    )


def _vector(field: Field) -> NDArray[np.float16]:
    try:
        content = base64.b64decode(field.text(), validate=True)
        vector = np.frombuffer(content, "<f2").astype(np.float16)
    except ValueError as error:  # binascii.Error is one, too
        raise field.wrong("numbers in base64") from error
    if not np.isfinite(vector).all():
        raise field.wrong("finite numbers in base64")
    return vector


def _patch(field: Field) -> Patch:
    numbers = [item.whole() for item in field.get("window").items()]
    if len(numbers) != 4:
        raise field.get("window").wrong("[top, left, height, width]")
    return Patch(
        Window(*numbers),
        field.get("uncertainty").share(),
        tuple(item.text() for item in field.get("concepts").items()),
    )
