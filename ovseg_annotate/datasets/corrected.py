"""Pictures that a person has annotated, as truth: of a run folder, or of any format we read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.datasets.labelled import (
    LabelledSet,
    ProtocolPicture,
    picture_of_size,
    with_masks,
)
from ovseg_annotate.datasets.protocol import Background, Protocol
from ovseg_annotate.errors import FormatError, VocabularyError
from ovseg_annotate.formats.catalogue import format_named
from ovseg_annotate.formats.file_names import safe_relative
from ovseg_annotate.regions import AnnotatedImage, labels_of
from ovseg_annotate.vocabulary import Concept, Vocabulary

PROTOCOL = "corrections"


@dataclass(frozen=True, slots=True, eq=False)
class Corrected:
    """A picture on disk and the regions that are right."""

    picture: Path
    image: AnnotatedImage


def corrected_set(name: str, draw: Callable[[], Iterator[Corrected]]) -> LabelledSet:
    """The pictures that `draw` gives, each time it is called, under the words of all of them."""
    count, concepts = 0, dict[str, Concept]()
    for each in draw():
        count += 1
        for concept in each.image.vocabulary:
            concepts.setdefault(concept.name.casefold(), concept)
    if not count:
        raise FormatError(
            f"{name} has no correction, so nothing is known to be right; correct some pictures "
            "in napari or Label Studio first"
        )
    protocol = _protocol(name, tuple(concepts.values()))
    return LabelledSet(name, protocol, count, partial(_pictures, draw, protocol))


def corrected_in_export(path: Path, written_in: str, pictures: Path | None) -> Iterator[Corrected]:
    """The pictures of an export, which are looked for in `pictures`, or else beside it.

    Tasks of Label Studio that hold nothing but predictions are nobody's answers and are left out.
    """
    beside = path if path.is_dir() else path.parent
    folders = (beside, beside / "images", beside.parent) if pictures is None else (pictures,)
    for image in format_named(written_in).read_answers(path):
        yield Corrected(_found(image.name, folders, path), image)


def _found(name: str, folders: tuple[Path, ...], path: Path) -> Path:
    for folder in folders:
        for candidate in _candidates(folder, name):
            if candidate.is_file():
                return candidate
    raise FormatError(
        f"{path} is about {name}, which is not in {', '.join(map(str, folders))}; say where the "
        "pictures are with --pictures FOLDER"
    )


def _candidates(folder: Path, name: str) -> Iterator[Path]:
    """Some tools keep the file's name and forget its folder, or name one of another machine."""
    with suppress(FormatError):
        yield folder / safe_relative(name)
    yield folder / PurePosixPath(name).name


def _protocol(name: str, concepts: tuple[Concept, ...]) -> Protocol:
    asked = tuple(each for each in concepts if not each.negative)
    try:
        Vocabulary(asked)
    except VocabularyError as error:
        raise FormatError(f"{name}: {error}") from error
    return Protocol(
        name=PROTOCOL,
        split="all that is corrected",
        concepts=asked,
        meaning={value: each.name for value, each in enumerate(asked, start=1)},
        background=Background.OPEN,
        empty=frozenset({0}),
        competing=tuple(each for each in concepts if each.negative),
    )


def _pictures(
    draw: Callable[[], Iterator[Corrected]], protocol: Protocol
) -> Iterator[ProtocolPicture]:
    names = {concept.name.casefold(): concept.name for concept in protocol.concepts}
    for each in draw():
        image = each.image
        counted = (
            replace(region, concept=names[region.concept.casefold()])
            for region in image.regions
            if region.concept.casefold() in names
        )
        yield ProtocolPicture(
            image.name,
            picture_of_size(each.picture, image.size, f"the annotation of {image.name}").pixels,
            protocol.labels_of(_values(image, names), image.name),
            with_masks(counted, image.size),
        )


def _values(image: AnnotatedImage, names: Mapping[str, str]) -> NDArray[np.int64]:
    """Paint the regions with the protocol's values, whatever the order of the picture's words."""
    value_of = {name: value for value, name in enumerate(names, start=1)}
    own = [0, *(value_of.get(name.casefold(), 0) for name in image.vocabulary.names)]
    return np.array(own, np.int64)[labels_of(image)]
