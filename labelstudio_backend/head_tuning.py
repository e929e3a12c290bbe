"""Fine-tuning of the head for one project, in a process of its own: suggestions never wait for it.

The journal and the versions stay in the hands of the server. It prepares the job's folder, the
process trains in there, and when that has ended the server judges what came of it.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ovseg_annotate.cli.sessions import SessionOptions
from ovseg_annotate.errors import Cancelled
from ovseg_annotate.fine_tuning.heads import refuse_without_head
from ovseg_annotate.fine_tuning.job import Jobs, read_trained
from ovseg_annotate.fine_tuning.options import FineTuneOptions
from ovseg_annotate.learning_loop.project import Asked, Project
from ovseg_annotate.lessons.model_names import split_model
from ovseg_annotate.watch import Watch

if TYPE_CHECKING:
    from ovseg_annotate.session import Session

_FAREWELL = 5.0  # s, for the process to write down how far it is
_NICE = 10  # how much the process stands back for others

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tuning:
    """With what, and how soon."""

    model: SessionOptions
    after: int  # corrections that no fine-tuning has seen

    def __post_init__(self) -> None:
        refuse_without_head(self.model.model)


class ProjectTuning:
    """The fine-tunings of one project, one at a time."""

    def __init__(self, tuning: Tuning) -> None:
        self._tuning = tuning
        self._process: multiprocessing.process.BaseProcess | None = None
        self._in_vain = ""  # digest of the journal with which nothing could be begun
        self._too_few = ""  # digest of the journal that holds too little that is new

    @property
    def has_ended(self) -> bool:
        """Whether there is something to conclude, or to look into."""
        return self._process is not None and not self._process.is_alive()

    def round(
        self, project: Project, session: Session, asked: Asked, stopped: Callable[[], bool]
    ) -> str:
        """Begin when enough was corrected, go on after a restart, conclude; says what it did."""
        from ovseg_annotate.fine_tuning.beginning import begin  # noqa: PLC0415  imports torch
        from ovseg_annotate.fine_tuning.concluding import conclude  # noqa: PLC0415
        from ovseg_annotate.fine_tuning.outcome import FineTuned  # noqa: PLC0415

        if self._process is not None and self._process.is_alive():
            return ""
        if self._process is not None:
            self._look_into(project)
        if not self._is_enough(project) or self._in_vain == project.journal.digest:
            return ""
        begun = begin(project, session, asked, FineTuneOptions(), Watch(cancel=stopped))
        if isinstance(begun, FineTuned):
            self._in_vain = project.journal.digest
            return begun.sentence
        if read_trained(begun) is not None:
            return conclude(project, session, begun).sentence
        self._process = _started(begun, self._tuning.model)
        return f"the head is fine-tuned in process {self._process.pid}"

    def _is_enough(self, project: Project) -> bool:
        """Whether something is under way, or enough was corrected to begin."""
        jobs, digest = Jobs(project.folder), project.journal.digest
        if jobs.under_way is not None:
            return True
        if self._too_few != digest and _unseen(project, jobs) < self._tuning.after:
            self._too_few = digest
        return self._too_few != digest

    def _look_into(self, project: Project) -> None:
        """A process that ended without an end of the training is not started over and over."""
        folder = Jobs(project.folder).under_way
        self._process = None
        if folder is not None and read_trained(folder) is None:
            self._in_vain = project.journal.digest
            _log.warning(
                "the fine-tuning in %s ended before it was finished; it goes on when something "
                "more is corrected, or when the server is started again",
                folder,
            )

    def close(self) -> None:
        """Stop the process; the next start goes on with its job."""
        if self._process is not None:
            self._process.terminate()
            self._process.join(_FAREWELL)


def _unseen(project: Project, jobs: Jobs) -> int:
    """Corrections that the last fine-tuning knew nothing of."""
    last = jobs.last
    known = set() if last is None else set(last.corrections)
    return len(project.journal.standing.items() - known)


def _started(folder: Path, model: SessionOptions) -> multiprocessing.process.BaseProcess:
    # A fork of a process whose torch threads are running can hang.
    process = multiprocessing.get_context("spawn").Process(
        target=train_alone, args=(folder, model), name="ovseg-fine-tune", daemon=True
    )
    process.start()
    return process


def train_alone(folder: Path, model: SessionOptions) -> None:
    """What the process does: train, on half of the cores and behind everybody else.

    It ends soon after its server, however that ended; the next one goes on with the job.
    """
    import torch  # noqa: PLC0415  the server's own process begins without

    from ovseg_annotate.cli.sessions import opened_session  # noqa: PLC0415
    from ovseg_annotate.fine_tuning.working import work  # noqa: PLC0415
    from ovseg_annotate.training.stops import stop_requests  # noqa: PLC0415

    if hasattr(os, "nice"):
        os.nice(_NICE)
    torch.set_num_threads(max((os.cpu_count() or 1) // 2, 1))
    base = replace(model, model=split_model(model.model)[0], cache="none", offline=True)
    server = multiprocessing.parent_process()

    def is_given_up() -> bool:
        return stop.asked or (server is not None and not server.is_alive())

    with stop_requests() as stop, opened_session(base) as session, suppress(Cancelled):
        work(folder, session, FineTuneOptions(), Watch(cancel=is_given_up))
