"""The end of a fine-tuning: its head goes into service only if it beats what is there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate._version import __version__
from ovseg_annotate.errors import RunError
from ovseg_annotate.fine_tuning.beginning import tunable, tunable_head
from ovseg_annotate.fine_tuning.head_training import best_head
from ovseg_annotate.fine_tuning.job import (
    BEST,
    HELD_BACK,
    JobCard,
    Jobs,
    Last,
    Trained,
    read_job,
    read_trained,
)
from ovseg_annotate.fine_tuning.judging import quality_of
from ovseg_annotate.fine_tuning.material import Material, read_material, scores_of
from ovseg_annotate.fine_tuning.outcome import FineTuned, told
from ovseg_annotate.learning_loop.judging import WORTH
from ovseg_annotate.learning_loop.project import Project
from ovseg_annotate.learning_loop.refreshing import LeftOut
from ovseg_annotate.lessons.lesson import Lesson, lesson_of_head
from ovseg_annotate.lessons.taught import taught_by
from ovseg_annotate.lessons.tuned_head import TunedHead
from ovseg_annotate.lessons.version import Version, VersionCard, version_bytes
from ovseg_annotate.vocabulary import Vocabulary

if TYPE_CHECKING:
    from ovseg_annotate.session import Session

WAY = "fine-tuning"


def conclude(project: Project, session: Session, folder: Path) -> FineTuned:
    """Judge the trained head against what is in service now, put it there or not, and say so.

    Whatever becomes of it, the job's folder goes.
    """
    card, trained = read_job(folder), read_trained(folder)
    if trained is None:
        raise RunError(f"the training in {folder} has not ended; go on with it first")
    held_back = read_material(folder / HELD_BACK)
    base = _quality(session, None, held_back, card)
    current = project.current
    if current is not None and current.card.digest == card.digest:
        current = None  # a kill came after it had been put into service
    present = None
    if current is not None:
        current.lesson.check_space(session.card.space)
        present = _quality(session, current.lesson, held_back, card)
    version = _version(card, trained, best_head(folder / BEST), base)
    size = len(version_bytes(version))
    rival = max(base, base if present is None else present)
    name = ""
    if trained.score > rival + WORTH:
        name = project.versions.put_into_service(version)
    sentence = told(version.card, present, name, size)
    Jobs(project.folder).conclude(Last(card.facts, card.considered, card.digest, sentence))
    left_out = tuple(LeftOut(picture, reason) for picture, _, reason in card.left_out)
    return FineTuned(sentence, name, base, present, trained.score, left_out)


def _quality(session: Session, lesson: Lesson | None, held_back: Material, card: JobCard) -> float:
    """Of a version on what is held back; None: of the model as it came."""
    vocabulary = Vocabulary.parse(card.competing)
    scoring = partial(
        scores_of,
        tunable(session),
        tunable_head(session.taught(lesson)),
        vocabulary=vocabulary,
        taught=None if lesson is None else taught_by(lesson, vocabulary),
    )
    return quality_of(held_back, vocabulary, scoring)


def _version(
    card: JobCard, trained: Trained, added: Mapping[str, NDArray[np.float16]], base: float
) -> Version:
    held_back = f"{len(card.held_back)} of {len(card.corrections)} corrected pictures"
    return Version(
        VersionCard(
            digest=card.digest,
            model=card.model,
            weights=card.weights,
            space=card.space,
            engine_options=card.engine_options,
            vocabulary=card.vocabulary,
            options=card.options,
            settings=card.settings,
            corrections=card.corrections,
            candidate=f"{WAY}, {trained.steps} steps",
            kept=(),
            held_back=held_back,
            before=base,
            after=trained.score,
            concepts=(),
            reach=1.0,
            parent=card.parent,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            program=__version__,
            head=card.digest,
            head_before=trained.head_before,
            head_after=trained.head_after,
        ),
        lesson_of_head(TunedHead(card.digest, added), card.space),
    )
