"""Suggestions for every task of a project, stored through Label Studio's REST API.

It can be stopped at any moment, also by kill -9: the same command goes on. Nothing is lost, because
a task counts as done only when Label Studio says so; nothing is stored twice, because Label Studio
is asked before every prediction that is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

from labelstudio_backend.journal import Journal
from labelstudio_backend.label_studio import LabelStudio, RemoteTask
from labelstudio_backend.rest import LabelStudioError, UnknownOutcomeError
from labelstudio_backend.wire import Prediction, Task
from ovseg_annotate.errors import Cancelled, OptionError

_SENDINGS = 5  # of one prediction, while nobody knows whether it arrived

# What /predict would answer for a task; raises an OvsegError when no task can be answered.
Suggest: TypeAlias = Callable[[Task], Prediction]


@dataclass(frozen=True, slots=True)
class PushOptions:
    """Which tasks, and how many at a time."""

    project: int  # its number, as in the address of its page
    at_once: int = 4  # tasks in work at a time; the device still runs one network pass at a time
    unlabelled: bool = False  # leave alone tasks that a person has labelled
    show: bool = True  # at the end, show annotators these suggestions and no older ones
    journal: Path | None = None  # folder to note what is sent; none: that of --data

    def __post_init__(self) -> None:
        if self.project < 1:
            raise OptionError(
                f"project {self.project}: give the number in the address of the project's page, "
                "such as 3 for /projects/3/data"
            )
        if not 1 <= self.at_once <= 64:
            raise OptionError(f"at once {self.at_once} is out of range; allowed: 1 to 64")


class Pushed(StrEnum):
    STORED = "stored"
    THERE = "there"  # stored by somebody else, or by a push that died
    ANSWERED = "answered"  # by a person meanwhile; only where such tasks are to be left alone
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class TaskOutcome:
    """What became of one task."""

    task: int
    pushed: Pushed
    reason: str = ""  # of a failure


class Push:
    """One project, one model version."""

    def __init__(
        self,
        studio: LabelStudio,
        journal: Journal,
        suggest: Suggest,
        model_version: str,
        options: PushOptions,
    ) -> None:
        self._studio = studio
        self._journal = journal
        self._suggest = suggest
        self._model_version = model_version
        self._options = options

    def run(self, stopped: Callable[[], bool]) -> Iterator[TaskOutcome]:
        """Give out what became of each task, as it ends; raises when Label Studio is away."""
        self._journal.forget_failures()
        pool = ThreadPoolExecutor(self._options.at_once, "ovseg-push")
        pending: set[Future[TaskOutcome]] = set()
        try:
            for task in self._tasks():
                if stopped():
                    break
                pending.add(pool.submit(self._push, task))
                # As many again wait in line, so that no worker waits for the next page.
                while len(pending) >= 2 * self._options.at_once:
                    done, pending = wait(pending, return_when=FIRST_COMPLETED)
                    yield from _outcomes(done)
            while pending and not stopped():
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                yield from _outcomes(done)
        finally:
            pool.shutdown(cancel_futures=True)
        yield from _outcomes(future for future in pending if not future.cancelled())

    def _tasks(self) -> Iterator[RemoteTask]:
        """What is left to do.

        Tasks that a dead push was sending come last: by then Label Studio has finished storing
        whatever reached it.
        """
        doubtful = self._journal.in_doubt()
        deferred = []
        for task in self._studio.tasks(self._options.project, self._model_version):
            if self._options.unlabelled and task.annotations:
                continue
            if task.id in doubtful:
                deferred.append(task)
            else:
                yield task
        for stored in doubtful - {task.id for task in deferred}:
            self._journal.settled(stored)
        yield from deferred

    def _push(self, task: RemoteTask) -> TaskOutcome:
        prediction = self._suggest(Task(task.id, task.data))
        if prediction.failure is not None:
            return self._failed(task, prediction.failure)
        body = {
            "result": list(prediction.result),
            "score": prediction.score,
            "model_version": self._model_version,
        }
        for _ in range(_SENDINGS):
            # An annotator who opened the task meanwhile had it predicted, too.
            if self._options.unlabelled and self._studio.is_answered(task.id):
                self._journal.settled(task.id)
                return TaskOutcome(task.id, Pushed.ANSWERED)
            if self._studio.has_prediction(task.id, self._model_version):
                self._journal.settled(task.id)
                return TaskOutcome(task.id, Pushed.THERE)
            self._journal.sending(task.id)
            try:
                self._studio.add_prediction(task.id, body)
            except UnknownOutcomeError as error:
                problem = str(error)
            except LabelStudioError as error:
                if error.status is None:
                    raise
                return self._failed(task, str(error))
            else:
                self._journal.settled(task.id)
                return TaskOutcome(task.id, Pushed.STORED)
        return TaskOutcome(task.id, Pushed.FAILED, problem)  # still in doubt in the journal

    def _failed(self, task: RemoteTask, reason: str) -> TaskOutcome:
        self._journal.failed(task.id, reason)
        return TaskOutcome(task.id, Pushed.FAILED, reason)


def _outcomes(done: Iterable[Future[TaskOutcome]]) -> list[TaskOutcome]:
    found = []
    for future in done:
        try:
            found.append(future.result())
        except Cancelled:
            continue  # stopped in the middle: it is done by the next push
    return found
