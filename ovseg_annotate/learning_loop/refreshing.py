"""A refresh: learn from all corrections, and say whether what comes out is better."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from ovseg_annotate._version import __version__
from ovseg_annotate.errors import Cancelled, ImageError, OvsegError
from ovseg_annotate.image import Image
from ovseg_annotate.learning_loop.corrections import Correction
from ovseg_annotate.learning_loop.fitting import Fitted, LearnOptions, Plan
from ovseg_annotate.learning_loop.journal import Journal
from ovseg_annotate.learning_loop.judging import Judgement, Learning, columns_named, judged
from ovseg_annotate.learning_loop.material import (
    MOST_CELLS,
    Asked,
    Columns,
    Material,
    corrected_box,
    material_of,
)
from ovseg_annotate.lessons.lesson import Lesson
from ovseg_annotate.lessons.version import Version, VersionCard
from ovseg_annotate.options import digest_text
from ovseg_annotate.watch import Watch

if TYPE_CHECKING:
    from ovseg_annotate.any_session import AnySession

_SCHEMA = 3  # of learning: another one, another digest
_CELLS = 16_384  # of all pictures together
_FEWEST = 4  # of one
_KEPT = 2**28  # bytes
_OBJECTS = 2**12  # bytes, about, of a sample beside its numbers


@dataclass(frozen=True, slots=True)
class Base:
    """The model that lessons add to."""

    model: str  # ENGINE@WEIGHTS
    weights: str  # with those of a tuned head
    space: str
    options: str  # of the engine, one line
    precision: str

    @classmethod
    def of(cls, session: AnySession) -> Base:
        card = session.card
        return cls(
            session.base_model,
            session.weights_digest,
            card.space,
            card.options,
            session.precision,
        )


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A correction that nothing can be learnt from now."""

    picture: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """All that there is to learn from."""

    columns: Columns
    materials: tuple[Material, ...]  # by picture
    left_out: tuple[LeftOut, ...]


class Kept:
    """Samples of corrections that were gathered lately, so that each is brought to cells once."""

    def __init__(self, most: int = _KEPT) -> None:
        self._most = most  # bytes
        self._words = ""
        self._found: dict[str, tuple[Columns, Material]] = {}
        self._bytes = 0

    def only(self, words: str, digests: Collection[str]) -> None:
        """Let go of what was gathered for other words, and of corrections that no longer hold."""
        if words != self._words:
            self._words, self._found, self._bytes = words, {}, 0
        for digest in self._found.keys() - digests:
            self._bytes -= _bytes_of(self._found.pop(digest)[1])

    def get(self, digest: str, cells: int) -> tuple[Columns, Material] | None:
        """So many cells of a correction, or all that are known of it; None: not kept."""
        found = self._found.get(digest)
        if found is None or (len(found[1]) < cells and found[1].is_sample):
            return None
        return found[0], found[1].first(cells)

    def keep(self, columns: Columns, material: Material) -> None:
        """Keep a sample instead of another one of that correction, while there is room.

        What is kept stays: corrections are gathered in turn, and who let go of the oldest would
        have none of them when the next turn begins.
        """
        before = self._found.pop(material.digest, None)
        self._bytes -= 0 if before is None else _bytes_of(before[1])
        if self._bytes + _bytes_of(material) <= self._most:
            self._found[material.digest] = (columns, material)
            self._bytes += _bytes_of(material)


def _bytes_of(material: Material) -> int:
    return material.nbytes + _OBJECTS


def gathered(
    session: AnySession, asked: Asked, journal: Journal, kept: Kept, watch: Watch
) -> Gathered:
    """Bring corrections to the cells of their pictures; features come from the session's store.

    However many there are, one is in memory at a time, and of each no more than a sample stays.
    """
    standing = journal.standing
    most = min(max(_CELLS // max(len(standing), 1), _FEWEST), MOST_CELLS)
    # Somewhat more is kept, so that one correction less does not ask for more of all the others.
    enough = 1 << (most - 1).bit_length()
    columns = Columns((), (), ())
    materials: list[Material] = []
    left_out: list[LeftOut] = []
    words = f"{asked.vocabulary} {digest_text(asked.options)} {session.weights_digest}"
    kept.only(words, standing.values())
    for picture, digest in standing.items():
        watch.stop_if_asked(f"before {picture} was learnt from")
        found = kept.get(digest, enough)
        try:
            found = found or _one(session, asked, journal, picture, enough, watch)
        except Cancelled:
            raise
        except OvsegError as error:
            left_out.append(LeftOut(picture, str(error)))
            continue
        if found is None or not len(found[1]):
            left_out.append(LeftOut(picture, "nothing in it is about these words"))
            continue
        kept.keep(*found)
        columns = found[0]
        materials.append(found[1].first(most))
    return Gathered(columns, tuple(materials), tuple(left_out))


def refreshed(
    session: AnySession,
    asked: Asked,
    found: Gathered,
    present: Version | None,
    options: LearnOptions,
    watch: Watch,
) -> tuple[Judgement, Version | None]:
    """Try what can be tried; a version only where it is better than what is in service."""
    base = Base.of(session)
    judgement = judged(found.materials, found.columns, present, options, watch)
    chosen = judgement.chosen
    if chosen is None:
        return judgement, None
    digest = digest_of_inputs(base, asked, found.materials, options)
    plan = Plan(
        chosen.way,
        columns_named(found.columns, chosen.kept),
        columns_named(found.columns, chosen.weighed),
    )
    residual = Learning.of(found.columns, options, watch).learnt(found.materials, plan)
    if residual is None:
        return judgement, None
    head = None if present is None else present.lesson.head
    lesson = replace(lesson_of(residual, found.columns, digest, base.space), head=head)
    card = VersionCard(
        digest=digest,
        model=base.model,
        weights=session.card.weights_digest,
        space=base.space,
        engine_options=base.options,
        vocabulary=str(asked.vocabulary),
        options=digest_text(asked.options),
        settings=digest_text(options),
        corrections=tuple((each.picture, each.digest) for each in found.materials),
        candidate=chosen.way,
        kept=chosen.kept,
        held_back=judgement.held_back,
        before=judgement.base or 0.0,
        after=chosen.quality,
        concepts=lesson.concepts,
        reach=lesson.reach,
        parent="" if present is None else present.card.digest,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        program=__version__,
        phrases=lesson.phrases,
        head="" if head is None else head.digest,
    )
    return judgement, Version(card, lesson)


def _one(
    session: AnySession, asked: Asked, journal: Journal, picture: str, cells: int, watch: Watch
) -> tuple[Columns, Material] | None:
    correction = journal.correction(picture)
    if correction is None or (box := corrected_box(correction)) is None:
        return None
    image = corrected_picture(asked, correction)
    evidence = session.evidence(image, asked.vocabulary, asked.options, box, watch)
    rule = session.card.folds if evidence.phrases is not None else None
    columns = Columns.of(evidence.vocabulary, rule)
    return columns, material_of(correction, columns, evidence, image.key).first(cells)


def corrected_picture(asked: Asked, correction: Correction) -> Image:
    """The picture of a correction, as large as it was then."""
    image = asked.picture(correction.picture)
    if image.size != correction.size:
        raise ImageError(
            f"it is {image.size} and was {correction.size} when it was corrected; put that picture "
            "back, or correct this one"
        )
    return image


def digest_of_inputs(
    base: Base, asked: Asked, materials: Iterable[Material], options: LearnOptions
) -> str:
    """Equal for everybody who learns the same from the same, whatever the order and the machine."""
    plain = {
        "schema": _SCHEMA,
        "base": [base.weights, base.space, base.options, base.precision],
        "vocabulary": str(asked.vocabulary),
        "options": digest_text(asked.options),
        "learning": digest_text(options),
        "corrections": sorted([each.picture, each.digest, each.image] for each in materials),
    }
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def lesson_of(found: Fitted, columns: Columns, digest: str, space: str) -> Lesson:
    """A residual under the names of its concepts, without those of which nothing is known."""
    taught = np.flatnonzero(found.taught)
    return Lesson(
        digest=digest,
        space=space,
        concepts=tuple(columns.names[column] for column in taught),
        offsets=found.offsets[taught].astype(np.float32),
        anchors=found.anchors.astype(np.float32),
        lifts=found.lifts[:, taught].astype(np.float32),
        reach=found.reach,
        phrases=() if found.weighing is None else found.weighing.learnt(),
    )
