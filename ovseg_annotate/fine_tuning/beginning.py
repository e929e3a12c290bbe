"""The beginning of a fine-tuning: everything that it needs, in a folder of its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors.numpy import save

from ovseg_annotate.engine import FineTunable
from ovseg_annotate.errors import Cancelled, ImageError, ModelError, OvsegError, RunError
from ovseg_annotate.fine_tuning.heads import no_head
from ovseg_annotate.fine_tuning.job import (
    HELD_BACK,
    LEARNT,
    START,
    JobCard,
    Jobs,
    held_back_among,
    read_job,
    read_trained,
    write_job,
)
from ovseg_annotate.fine_tuning.known import Known
from ovseg_annotate.fine_tuning.material import (
    Material,
    guesses,
    joined_material,
    material_of,
    scores_of,
    write_material,
)
from ovseg_annotate.fine_tuning.options import FEWEST, FineTuneOptions
from ovseg_annotate.fine_tuning.outcome import FineTuned
from ovseg_annotate.learning_loop.material import Asked
from ovseg_annotate.learning_loop.project import Project
from ovseg_annotate.learning_loop.refreshing import LeftOut, corrected_picture
from ovseg_annotate.lessons.taught import taught_by
from ovseg_annotate.options import digest_text
from ovseg_annotate.run_folder.writing import write_whole
from ovseg_annotate.watch import Watch

if TYPE_CHECKING:
    from torch import nn

    from ovseg_annotate.session import Session

_WINDOWS = 512  # of all pictures together: of no more pictures is anything learnt
_MOST = 32  # windows of one picture
_LARGEST = 10_000_000  # bytes of a version
_ALREADY = "nothing was corrected since the last fine-tuning"


def begin(
    project: Project,
    session: Session,
    asked: Asked,
    options: FineTuneOptions,
    watch: Watch,
) -> Path | FineTuned:
    """The folder of the job: the one under way if it still holds, else a new one.

    A job goes on with the corrections it began with, also where more came since. An outcome
    instead: there is nothing to do, and why.
    """
    _refuse_large(tunable(session).head)
    known = project.journal.standing
    facts, jobs = _facts(session, asked, options), Jobs(project.folder)
    under_way = jobs.under_way
    if under_way is not None and _holds(under_way, facts, known):
        return under_way
    last = jobs.last
    if last is not None and last.facts == facts and dict(last.corrections) == known:
        return FineTuned(f"{_ALREADY}, of which was said: {last.sentence}")
    return _Preparation(project, session, asked, options, watch).prepared(facts, jobs)


def tunable(session: Session) -> FineTunable:
    """The engine of a session as one with a head, as it came."""
    engine = session.taught(None).engine
    if not isinstance(engine, FineTunable):
        raise ModelError(no_head(engine.card.name))
    return engine


def tunable_head(session: Session) -> nn.Module:
    """The head that a session scores with."""
    engine = session.engine
    if not isinstance(engine, FineTunable):
        raise ModelError(no_head(engine.card.name))
    return engine.head


def _refuse_large(head: nn.Module) -> None:
    """A version is a small file: carried, copied with each lesson on top, sent to servers."""
    size = 2 * sum(value.numel() for value in head.parameters())
    if size > _LARGEST:
        raise ModelError(
            f"this head has {size / 1e6:.0f} MB of numbers in half precision, and a version may "
            f"have {_LARGEST / 1e6:.0f} MB; train such a head by a recipe ('ovseg train')"
        )


def _facts(session: Session, asked: Asked, options: FineTuneOptions) -> str:
    """Names all that a fine-tuning depends on but corrections and the head it starts from."""
    card = session.card
    base = [card.weights_digest, card.space, card.options, session.precision]
    rest = [str(asked.vocabulary), digest_text(asked.options), digest_text(options)]
    return hashlib.sha256(json.dumps([*base, *rest]).encode()).hexdigest()


def _holds(folder: Path, facts: str, known: dict[str, str]) -> bool:
    """Whether a job can go on: what it is to learn from was not changed or taken back since."""
    card = read_job(folder)
    if card.facts != facts:
        return False
    has_learnt = read_trained(folder) is not None
    return has_learnt or all(known.get(name) == digest for name, digest in card.corrections)


class _Preparation:
    """One new job, on the way to its folder."""

    def __init__(
        self,
        project: Project,
        session: Session,
        asked: Asked,
        options: FineTuneOptions,
        watch: Watch,
    ) -> None:
        self._session = session.taught(None)
        self._engine = tunable(session)
        self._journal = project.journal
        self._present = project.current
        self._asked = asked
        self._options = options
        self._watch = watch
        bank = self._session.text_bank(asked.vocabulary, asked.options.contrast)
        self._competing = bank.vocabulary
        self._vectors = self._engine.concept_vectors(bank).float().cpu()
        lesson = None if self._present is None else self._present.lesson
        self._head = tunable_head(session.taught(lesson))
        self._taught = None if lesson is None else taught_by(lesson, self._competing)

    def prepared(self, facts: str, jobs: Jobs) -> Path | FineTuned:
        """The folder, whole; or why there is too little to begin."""
        standing = self._journal.standing
        usable, unused = self._usable(standing)
        left_out = tuple(LeftOut(picture, reason) for picture, reason in unused.items())
        if len(usable) < FEWEST:
            return FineTuned(
                f"too little was corrected to fine-tune a head: {len(usable)} pictures, {FEWEST} "
                "are needed; 'ovseg learn' without --fine-tune learns from fewer",
                left_out=left_out,
            )
        held_back = held_back_among(list(usable))
        present, head = self._present, None
        if present is not None:
            head = present.lesson.head
        card = JobCard(
            facts=facts,
            start="" if head is None else head.digest,
            parent="" if present is None else present.card.digest,
            model=self._session.base_model,
            weights=self._session.card.weights_digest,
            space=self._session.card.space,
            engine_options=self._session.card.options,
            vocabulary=str(self._asked.vocabulary),
            competing=str(self._competing),
            options=digest_text(self._asked.options),
            settings=digest_text(self._options),
            corrections=tuple((picture, standing[picture]) for picture in usable),
            held_back=tuple(sorted(held_back)),
            left_out=tuple(
                (picture, standing[picture], reason) for picture, reason in unused.items()
            ),
        )
        folder = jobs.new_folder(card)
        for name, chosen in ((LEARNT, False), (HELD_BACK, True)):
            parts = [own for picture, own in usable.items() if (picture in held_back) is chosen]
            write_material(folder / name, joined_material(parts))
        if head is not None:
            write_whole(folder / START, save(dict(head.added)))
        self._watch.stop_if_asked("before the job was written down")
        write_job(folder, card)
        return folder

    def _usable(self, standing: Mapping[str, str]) -> tuple[dict[str, Material], dict[str, str]]:
        """Windows of corrected pictures, and of the others why they cannot be used.

        Of more pictures than can be learnt from, those with the lowest digests are drawn.
        """
        drawn = set(sorted(standing, key=lambda picture: standing[picture])[:_WINDOWS])
        most = min(_WINDOWS // max(len(drawn), 1), _MOST)
        usable: dict[str, Material] = {}
        unused: dict[str, str] = {}
        for number, picture in enumerate(standing):
            self._watch.step("pictures", number, len(standing))
            if picture not in drawn:
                unused[picture] = f"{_WINDOWS} of the {len(standing)} corrected pictures were drawn"
                continue
            try:
                usable[picture] = self._windows(picture, standing[picture], number, most)
            except Cancelled:
                raise
            except OvsegError as error:
                unused[picture] = str(error)
        return usable, unused

    def _windows(self, picture: str, digest: str, number: int, most: int) -> Material:
        """Some windows of a picture, with what is known of them and guessed of the rest."""
        correction = self._journal.correction(picture)
        if correction is None:
            raise RunError("its correction was taken back meanwhile")
        image = corrected_picture(self._asked, correction)
        plan = self._session.plan(image.size, self._asked.options)
        window = self._session.card.window
        if plan.windows[0].size != window:
            raise ImageError(f"it is smaller than the window of {window} that a head learns from")
        whole = Known.of(correction, self._competing, plan)
        drawn = whole.drawn(most, digest)
        if not drawn:
            raise ImageError("nothing in it is about these words")
        features = self._session.window_features(image, self._asked.options, drawn, self._watch)
        known = whole.windows(drawn)
        material = material_of(features, known, number, self._vectors)
        said = [
            scores_of(self._engine, self._head, part, self._competing, self._taught)
            for part in material.split()
        ]
        return material.with_guesses(guesses(said, known, self._options.sure))
