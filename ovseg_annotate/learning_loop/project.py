"""A project: the journal of what people answered, and the versions learnt from it.

Importing this module imports no torch: a host may take corrections without a model.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from ovseg_annotate.errors import VersionError
from ovseg_annotate.learning_loop.corrections import Correction
from ovseg_annotate.learning_loop.fitting import LearnOptions
from ovseg_annotate.learning_loop.journal import Journal
from ovseg_annotate.learning_loop.material import Asked
from ovseg_annotate.learning_loop.one_thread import one_blas_thread
from ovseg_annotate.learning_loop.refreshing import (
    Base,
    Kept,
    LeftOut,
    digest_of_inputs,
    gathered,
    refreshed,
)
from ovseg_annotate.learning_loop.verdict import Verdict
from ovseg_annotate.learning_loop.versions import Versions
from ovseg_annotate.lessons.model_names import split_model, with_version
from ovseg_annotate.lessons.version import Version
from ovseg_annotate.watch import Watch

if TYPE_CHECKING:
    from ovseg_annotate.any_session import AnySession

__all__ = ["Asked", "LearnOptions", "LeftOut", "Project", "Verdict"]

RUN_PROJECT = "learning"  # the folder of a run's own project, in that of the run

_UNWATCHED = Watch()


class Project:
    """One project in the hands of this process, from `__enter__` to `__exit__`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.journal = Journal(folder)
        self.versions = Versions(folder)
        self._kept = Kept()

    def __enter__(self) -> Project:
        self.journal.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.journal.__exit__(kind, error, trace)

    @property
    def current(self) -> Version | None:
        """The version in service; None: the model as it came."""
        return self.versions.current

    def model_in_service(self, model: str) -> str:
        """The model together with the version in service, if any, as every command takes it."""
        base, name = split_model(model)[0], self.versions.in_service.name
        return with_version(base, self.versions.path_of(name).absolute()) if name else base

    def take(self, correction: Correction, revision: str = "") -> bool:
        """Write a correction down before anything is learnt from it; False when it is known."""
        return self.journal.take(correction, revision)

    def use(self, name: str) -> None:
        """Put a version into service; "" is the model as it came."""
        self.versions.use(name)

    def roll_back(self) -> str:
        """Undo the last switch; the name of what is in service now, "" for the model as it came."""
        return self.versions.roll_back()

    def refresh(
        self,
        session: AnySession,
        asked: Asked,
        options: LearnOptions | None = None,
        watch: Watch = _UNWATCHED,
    ) -> Verdict:
        """Learn from all that the journal says, and put it into service if it is better.

        Equal corrections, base and settings give a version of equal digest, whatever came when.
        Features come from the session's store: only pictures that it never saw are encoded.
        Raises `Cancelled` soon after the watch wants to stop; the version in service stays then.
        """
        verdict = self.judge(session, asked, options, watch)
        if verdict.version is None:
            return verdict
        watch.stop_if_asked("before the new version went into service")
        return verdict.in_service(self.versions.put_into_service(verdict.version))

    def judge(
        self,
        session: AnySession,
        asked: Asked,
        options: LearnOptions | None = None,
        watch: Watch = _UNWATCHED,
    ) -> Verdict:
        """What a refresh would come to; nothing is written."""
        options, present = options or LearnOptions(), self.current
        if present is not None:
            _check_base(present, session)
        # What was fine-tuned is a model of its own, which a refresh adds to: decision 29.
        base = session.taught(None if present is None else present.lesson.head_alone)
        found = gathered(base, asked, self.journal, self._kept, watch)
        if not found.materials:
            return Verdict(None, found.left_out)
        digest = digest_of_inputs(Base.of(base), asked, found.materials, options)
        known = self.versions.find(digest)
        if known is not None and known != self.versions.coming:
            # In service, or somebody went back from it and has the last word.
            used = present is not None and present.card.digest == digest
            return Verdict(None, found.left_out, name=known, known=True, in_use=used)
        with one_blas_thread():
            judgement, version = refreshed(base, asked, found, present, options, watch)
        return Verdict(judgement, found.left_out, version)


def _check_base(present: Version, session: AnySession) -> None:
    space = session.card.space
    if present.card.space != space:
        raise VersionError(
            f"the version in service was learnt with {present.card.space}, and this model is "
            f"{space}; give each model a project of its own, or go back to the model as it came "
            "with: ovseg versions PROJECT use base"
        )
