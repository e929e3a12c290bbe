"""Answers Label Studio's requests with one long-lived session."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from labelstudio_backend.annotating import Look, Subject, suggestions
from labelstudio_backend.answers import Answers
from labelstudio_backend.errors import LabelConfigError
from labelstudio_backend.interactive import answer_person
from labelstudio_backend.label_config import LabelingConfig, read_label_config
from labelstudio_backend.memory import Memory
from labelstudio_backend.pictures import DecodedPictures, Picture, Source, digest_of, sources_of
from labelstudio_backend.predictions import Canvas, score_of, task_score
from labelstudio_backend.projects import ProjectState
from labelstudio_backend.suggest_options import SuggestOptions, with_extra_params
from labelstudio_backend.wire import Prediction, PredictRequest, Task
from labelstudio_backend.words import words_of_controls
from ovseg_annotate._version import __version__
from ovseg_annotate.catalog import weights_digest
from ovseg_annotate.errors import Cancelled, ModelError, OvsegError
from ovseg_annotate.lessons.lesson import Lesson

if TYPE_CHECKING:
    from ovseg_annotate.session import Session

__all__ = ["Sessions", "SuggestOptions", "Suggester", "TaskImages"]

_AHEAD = 2  # tasks whose pictures are fetched while another one is in work
_SAID = 1000  # warnings that are remembered so that each is said once

_log = logging.getLogger(__name__)


class Sessions(Protocol):
    """Where the session comes from; its weights are loaded in the background."""

    @property
    def model(self) -> str:
        """ENGINE@WEIGHTS."""

    def session(self) -> Session:
        """The session; waits for the weights, or raises why there are none."""


class TaskImages(Protocol):
    """Where pictures come from."""

    def fetch(self, reference: str, task_id: int | None) -> bytes:
        """The file that task data names; raises an `OvsegError` that says why not."""


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """A request with everything that its answers depend on."""

    config: LabelingConfig
    options: SuggestOptions
    state: ProjectState
    lesson: Lesson | None  # what corrections taught
    version: str


@dataclass(frozen=True, slots=True, eq=False)
class _Fetched:
    """A task and the files of its pictures."""

    config: LabelingConfig  # with the labels of the task
    files: tuple[tuple[Source, bytes], ...]

    @property
    def key(self) -> str:
        """Differs whenever another answer may be right; the version covers the rest."""
        parts = [f"{source} {digest_of(data)}" for source, data in self.files]
        return hashlib.sha256("\n".join([repr(self.config.controls), *parts]).encode()).hexdigest()


class Suggester:
    """Turns requests into suggestions; safe to share between threads and between projects."""

    def __init__(
        self,
        sessions: Sessions,
        images: TaskImages,
        options: SuggestOptions,
        answers: Answers,
        memory: Memory | None = None,
    ) -> None:
        self.answers = answers
        self._sessions = sessions
        self._images = images
        self._options = options
        memory = memory or Memory()
        self._projects = memory.projects
        self._lessons = memory.lessons
        self._pictures = DecodedPictures()
        self._weights: str | None = None
        self._said: dict[str, None] = {}
        self._lock = threading.Lock()

    def find_weights(self) -> None:
        """Tell the weights from others, once: large files take longer than /setup may."""
        if self._weights is None:
            # An engine that came without the catalogue, or none: the session will say so.
            with contextlib.suppress(ModelError):
                self._weights = weights_digest(self._sessions.model)

    def model_version(
        self, label_config: str, extra_params: Mapping[str, object], project: str = ""
    ) -> str:
        """Names weights, words, thresholds and options; loads no weights that are on this machine.

        /setup has to pass `project`: what was typed there, and the parameters that only /setup
        brings, are remembered under that name and are part of the version.
        """
        config = read_label_config(label_config)
        self._say(config.warnings)
        asked = self._asked(config, extra_params, project)
        self._projects.set_up(project, extra_params)
        return asked.version

    def predict(
        self, request: PredictRequest, stopped: Callable[[], bool]
    ) -> tuple[Prediction, ...]:
        """One prediction a task, in order; a failed task has a `failure` and costs no other.

        Raises an `OvsegError` when nothing can be answered, and `Cancelled` when `stopped`.
        """
        config = read_label_config(request.label_config)
        session = self._sessions.session()
        self._weights = session.weights_digest
        known = self._projects.state(request.project)
        asked = self._asked(config, request.extra_params or known.extra_params, request.project)
        if asked.lesson is not None:
            session = session.taught(asked.lesson)
        look = Look(session, asked.options, stopped, self._say)
        if request.context is None:
            return tuple(self._batch(request.tasks, asked, look))
        return (self._answer_person(request, asked, look),)

    def _asked(
        self, config: LabelingConfig, extra_params: Mapping[str, object], project: str
    ) -> _Asked:
        chosen = with_extra_params(self._options, extra_params)
        self._say(chosen.warnings)
        options = chosen.options
        state = self._projects.state(project) if options.remember_prompts else ProjectState()
        lesson = self._lessons.of(project)
        # Prompts and warnings of the config change no answer.
        parts = (
            self._sessions.model,
            self._weights_digest(),
            repr((config.images, config.controls)),
            options.identity,
            state.identity,
            __version__,
            *(() if lesson is None else (lesson.digest,)),
        )
        digest = hashlib.sha256("\n".join(parts).encode("utf-8", "backslashreplace")).hexdigest()
        return _Asked(config, options, state, lesson, f"ovseg-{digest[:12]}")

    def _weights_digest(self) -> str:
        self.find_weights()
        if self._weights is None:
            self._weights = self._sessions.session().weights_digest
        return self._weights

    def _batch(self, tasks: Sequence[Task], asked: _Asked, look: Look) -> Iterator[Prediction]:
        """Answer task after task, while the pictures of the next ones are fetched."""
        pool = ThreadPoolExecutor(_AHEAD, "ovseg-fetch")
        try:
            left = iter(tasks)
            ahead = [pool.submit(self._fetch, asked, task) for task in islice(left, _AHEAD)]
            for task in tasks:
                look.check()
                ahead += [pool.submit(self._fetch, asked, each) for each in islice(left, 1)]
                yield self._suggest(task, ahead.pop(0), asked, look)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _fetch(self, asked: _Asked, task: Task) -> _Fetched:
        config = asked.config.for_task(task.data)
        sources = sources_of(config, task)
        files = ((each, self._images.fetch(each.reference, task.id)) for each in sources)
        return _Fetched(config, tuple(files))

    def _suggest(
        self, task: Task, fetching: Future[_Fetched], asked: _Asked, look: Look
    ) -> Prediction:
        """The answer for a task of a batch; whatever happens, only this task fails."""

        def made() -> Prediction:
            drawn = [suggestions(look, subject) for subject in self._read(fetched, asked)]
            items = tuple(item for each in drawn for item in each.items)
            return Prediction(items, task_score(drawn), asked.version)

        try:
            fetched = fetching.result()
            _check_labels(fetched.config)
            return self.answers.answer(f"{asked.version} {fetched.key}", made)
        except Exception as error:
            return Prediction((), 0.0, asked.version, failure=_reason(error, task))

    def _read(self, fetched: _Fetched, asked: _Asked) -> Iterator[Subject]:
        """The pictures of a task, each with what is looked for in it."""
        for source, data in fetched.files:
            image = self._pictures.read(data, "the picture of the task", asked.options.reading)
            controls = fetched.config.controls_of(source.tag.name)
            words = words_of_controls(control for control in controls if control.takes_regions)
            canvas = Canvas(source.tag.name, image.size, source.index)
            remembered = asked.state.wordings(source.tag.name)
            yield Subject(Picture(image, canvas), controls, words, remembered)

    def _answer_person(self, request: PredictRequest, asked: _Asked, look: Look) -> Prediction:
        """The answer to what a person did on one task; never kept: each has its own regions."""
        (task,), context = request.tasks, request.context
        if context is None or context.is_empty:
            # The browser sends this after every submit.
            return Prediction((), 0.0, asked.version, is_interactive=True)
        try:
            fetched = self._fetch(asked, task)
            reply = answer_person(look, tuple(self._read(fetched, asked)), context)
        except Exception as error:
            reason = _reason(error, task)
            return Prediction((), 0.0, asked.version, failure=reason, is_interactive=True)
        if asked.options.remember_prompts:
            for typed in reply.typed:
                self._projects.typed(request.project, typed)
        score = score_of(reply.drawn.regions)
        return Prediction(reply.drawn.items, score, asked.version, is_interactive=True)

    def _say(self, warnings: Iterable[str]) -> None:
        """Put each warning into the log once."""
        with self._lock:
            new = [warning for warning in warnings if warning not in self._said]
            if len(self._said) + len(new) > _SAID:
                self._said.clear()
            self._said.update(dict.fromkeys(new))
        for warning in new:
            _log.warning("%s", warning)


def _check_labels(config: LabelingConfig) -> None:
    """An empty result would be stored for ever, so a config without labels has no answer."""
    if not any(control.labels for control in config.controls):
        raise LabelConfigError("the labeling config has no labels yet; add some to its controls")


def _reason(error: Exception, task: Task) -> str:
    """Why a task has no answer, for the log and for whoever asked."""
    if isinstance(error, Cancelled):
        raise error
    if isinstance(error, OvsegError):
        return str(error)
    _log.error("task %s failed; this is a defect", task.id, exc_info=error)
    return f"{type(error).__name__}; the log says more"
