"""Learning in one project: take up answers, refresh, suggest anew where nobody has answered.

Label Studio itself is the truth about what people answered. It is read there each time, so that
messages which are lost, doubled or out of order change nothing.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from labelstudio_backend.answered import TaskPicture, corrections_of, pictures_of
from labelstudio_backend.connect import retitle
from labelstudio_backend.door_state import DoorState, read_state, write_state
from labelstudio_backend.errors import TaskError
from labelstudio_backend.head_tuning import ProjectTuning, Tuning
from labelstudio_backend.journal import Journal as PushJournal
from labelstudio_backend.journal import journal_path
from labelstudio_backend.label_config import LabelingConfig
from labelstudio_backend.label_studio import (
    AnsweredTask,
    LabelStudio,
    RemoteBackend,
    RemoteProject,
)
from labelstudio_backend.lessons import learning_folder
from labelstudio_backend.memory import Memory
from labelstudio_backend.push import Push, Pushed, PushOptions
from labelstudio_backend.rest import LabelStudioError
from labelstudio_backend.settings import Settings
from labelstudio_backend.suggest_options import SuggestOptions
from labelstudio_backend.suggester import Sessions, Suggester, TaskImages
from labelstudio_backend.wire import Prediction, PredictRequest, Task
from labelstudio_backend.words import words_of_controls
from ovseg_annotate.errors import Cancelled, OvsegError
from ovseg_annotate.image import Image, image_of_bytes
from ovseg_annotate.learning_loop.project import Asked, Project
from ovseg_annotate.learning_loop.verdict import Verdict
from ovseg_annotate.vocabulary import Vocabulary
from ovseg_annotate.watch import Watch

_LOOK_AGAIN = 1.0  # s, from one question whether a project is still there to the next

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Workshop:
    """What learning works with, the same for all projects."""

    studio: LabelStudio
    suggester: Suggester
    sessions: Sessions
    images: TaskImages
    memory: Memory
    settings: Settings
    options: SuggestOptions


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """How a project stands in Label Studio now."""

    remote: RemoteProject
    backend: RemoteBackend  # this one, as it is registered there
    config: LabelingConfig
    options: SuggestOptions

    @property
    def number(self) -> int:
        return self.remote.id


class ProjectLearning:
    """The corrections and versions of one project, in the hands of this process until `close`."""

    def __init__(
        self, data: Path, uid: str, workshop: Workshop, tuning: Tuning | None = None
    ) -> None:
        self.folder = learning_folder(data, workshop.settings.label_studio_url, uid)
        self._data = data
        self._workshop = workshop
        self._project = Project(self.folder)
        self._project.__enter__()
        for warning in self._project.journal.warnings:
            _log.warning("%s", warning)
        self._tuning = None if tuning is None else ProjectTuning(tuning)
        self._stamps: dict[int, str] = {}  # of tasks whose answers were taken up
        self._pictures: dict[str, TaskPicture] = {}
        self.waiting = self._not_learnt()  # corrections that no refresh has tried yet

    def close(self) -> None:
        if self._tuning is not None:
            self._tuning.close()
        self._project.__exit__(None, None, None)

    @property
    def is_tuned(self) -> bool:
        """Whether a fine-tuning has ended and was not judged yet."""
        return self._tuning is not None and self._tuning.has_ended

    def take_up(self, standing: Standing) -> int:
        """Write down what people answered since; gives how many corrections that changed."""
        changed, listed = 0, set[int]()
        pictures: dict[str, TaskPicture] = {}
        for task in self._workshop.studio.answered_tasks(standing.number):
            listed.add(task.id)
            try:
                named = pictures_of(Task(task.id, task.data), standing.config)
                pictures |= {each.name: each for each in named}
                if self._stamps.get(task.id) != task.stamp:
                    changed += self._taken(task, named, standing.config)
                    self._stamps[task.id] = task.stamp
            except OvsegError as error:  # the next round tries again
                _log.warning("the answer of task %d is not taken up: %s", task.id, error)
        self._pictures = pictures
        for name in self._project.journal.pictures:
            if _task_of(name) not in listed:
                changed += self._project.journal.withdraw(name)
        self._stamps = {task: stamp for task, stamp in self._stamps.items() if task in listed}
        self.waiting += changed
        return changed

    def refresh(self, standing: Standing, stopped: Callable[[], bool]) -> Verdict:
        """Learn from everything that is written down; `Cancelled` when stopped or deleted."""
        session = self._workshop.sessions.session()
        gone = _Deletion(self._workshop.studio, standing.number)
        watch = Watch(cancel=lambda: stopped() or gone.is_seen())
        verdict = self._project.refresh(session, self._asked(standing), watch=watch)
        self.waiting = 0
        return verdict

    def fine_tune(self, standing: Standing, stopped: Callable[[], bool]) -> str:
        """Look after the fine-tuning of the head, if there is to be one; says what was done."""
        if self._tuning is None:
            return ""
        session = self._workshop.sessions.session()
        return self._tuning.round(self._project, session, self._asked(standing), stopped)

    def renew(self, standing: Standing, stopped: Callable[[], bool]) -> str:
        """Store suggestions of what is in service in every task that nobody has answered.

        A no-op where that was done; stopped, the next call goes on. Says what was done.
        """
        lesson = self._workshop.memory.lessons.of(standing.remote.uid)
        digest = "" if lesson is None else lesson.digest
        before = read_state(self.folder)
        if before is not None and before.renewed == digest:
            return ""
        server = self._workshop.settings.label_studio_url
        state = DoorState(standing.number, standing.remote.uid, server)
        write_state(self.folder, state)
        version = self._version(standing)
        counts = self._pushed(standing, version, stopped)
        if stopped() or self._version(standing) != version:
            return f"{counts[Pushed.STORED]} open tasks have suggestions of {version}; more follow"
        studio = self._workshop.studio
        studio.show_predictions_of(standing.number, version)
        retitle(studio, standing.number, standing.backend, self._workshop.settings, version)
        write_state(self.folder, replace(state, renewed=digest))
        failed = f", {counts[Pushed.FAILED]} failed" if counts[Pushed.FAILED] else ""
        return f"{counts[Pushed.STORED]} open tasks have suggestions of {version}{failed}"

    def _taken(
        self, task: AnsweredTask, named: tuple[TaskPicture, ...], config: LabelingConfig
    ) -> int:
        """Take up the answer of one task; what it no longer says is withdrawn."""
        journal, changed = self._project.journal, 0
        answer = self._workshop.studio.answer(task.id)
        said = set[str]()
        if answer is not None:
            for correction in corrections_of(Task(task.id, task.data), answer, config):
                changed += journal.take(correction)
                said.add(correction.picture)
        return changed + sum(
            journal.withdraw(each.name)
            for each in named
            if each.name not in said and journal.holds(each.name)
        )

    def _not_learnt(self) -> int:
        """How many corrections the version in service was not learnt from."""
        version = self._project.current
        known = set() if version is None else set(version.card.corrections)
        return len(self._project.journal.standing.items() - known)

    def _asked(self, standing: Standing) -> Asked:
        def picture(name: str) -> Image:
            return self._image(name, standing.options)

        return Asked(self._vocabulary(standing), standing.options.annotate, picture)

    def _image(self, name: str, options: SuggestOptions) -> Image:
        found = self._pictures.get(name)
        if found is None:
            raise TaskError(f"{name} is in no task of the project any more")
        data = self._workshop.images.fetch(found.source.reference, found.task)
        return image_of_bytes(data, name, options.reading)

    def _vocabulary(self, standing: Standing) -> Vocabulary:
        """The words of the labels, with what people typed in their place."""
        controls = [each for each in standing.config.controls if each.takes_regions]
        typed = self._workshop.memory.projects.state(standing.remote.uid).typed
        words = words_of_controls(controls).reworded(each.wording for each in typed)
        if words.vocabulary is None:
            raise TaskError("the labeling config has no label that could be learnt")
        return words.vocabulary

    def _version(self, standing: Standing) -> str:
        remote = standing.remote
        return self._workshop.suggester.model_version(
            remote.label_config, standing.backend.extra_params, remote.uid
        )

    def _pushed(
        self, standing: Standing, version: str, stopped: Callable[[], bool]
    ) -> Counter[Pushed]:
        remote, studio = standing.remote, self._workshop.studio

        def suggest(task: Task) -> Prediction:
            request = PredictRequest(
                (task,),
                remote.label_config,
                project=remote.uid,
                extra_params=standing.backend.extra_params,
            )
            (prediction,) = self._workshop.suggester.predict(request, stopped)
            if prediction.model_version != version:
                raise Cancelled("other words were typed, or another version is in service")
            return prediction

        # That of the command push, which then waits its turn.
        path = journal_path(self._data, studio.url, standing.number, version)
        options = PushOptions(standing.number, at_once=1, unlabelled=True)
        with PushJournal(path) as journal:
            push = Push(studio, journal, suggest, version, options)
            counts = Counter(outcome.pushed for outcome in push.run(stopped))
            for failure in journal.failures(3):
                _log.warning("task %d has no suggestion: %s", failure.task, failure.reason)
        return counts


class _Deletion:
    """Whether a project was deleted meanwhile, asked of the server now and then."""

    def __init__(self, studio: LabelStudio, project: int) -> None:
        self._studio = studio
        self._project = project
        self._asked = time.monotonic()
        self._seen = False

    def is_seen(self) -> bool:
        if not self._seen and time.monotonic() - self._asked >= _LOOK_AGAIN:
            with suppress(LabelStudioError):  # a server that is away for a moment deletes nothing
                self._seen = not self._studio.has_project(self._project)
            self._asked = time.monotonic()
        return self._seen


def _task_of(name: str) -> int:
    """The task of a picture, by its name in the journal."""
    return int(name.split()[1])
