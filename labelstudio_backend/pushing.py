"""`ovseg-label-studio push`: everything around a push, from the weights to the last sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from labelstudio_backend.answers import Answers
from labelstudio_backend.images import LabelStudioImages
from labelstudio_backend.journal import Journal, journal_path
from labelstudio_backend.label_studio import LabelStudio, RemoteBackend, RemoteProject
from labelstudio_backend.memory import memory_of
from labelstudio_backend.opening import LazySession
from labelstudio_backend.push import Push, Pushed, PushOptions, TaskOutcome
from labelstudio_backend.settings import Settings
from labelstudio_backend.suggest_options import SuggestOptions
from labelstudio_backend.suggester import Suggester
from labelstudio_backend.wire import Prediction, PredictRequest, Task
from ovseg_annotate.cli.downloads import DownloadTalk
from ovseg_annotate.cli.exits import Exit
from ovseg_annotate.cli.sessions import SessionOptions, opened_session
from ovseg_annotate.cli.stops import StopSignals
from ovseg_annotate.cli.talk import Talk
from ovseg_annotate.errors import Cancelled, OptionError

_REASONS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class PushRequest:
    """A whole command, read and checked."""

    push: PushOptions
    settings: Settings
    session: SessionOptions
    suggest: SuggestOptions


@dataclass(frozen=True, slots=True)
class _Source:
    """Suggests for the tasks of one project as it is configured now."""

    suggester: Suggester
    project: RemoteProject
    extra_params: Mapping[str, object]

    @property
    def model_version(self) -> str:
        project = self.project
        return self.suggester.model_version(project.label_config, self.extra_params, project.uid)

    def suggest(self, stops: StopSignals, task: Task) -> Prediction:
        request = PredictRequest(
            (task,),
            self.project.label_config,
            project=self.project.uid,
            extra_params=self.extra_params,
        )
        (prediction,) = self.suggester.predict(request, lambda: stops.asked)
        return prediction


class PushReport:
    """Counts what became of the tasks."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._counts = dict.fromkeys(Pushed, 0)

    def follow(self, outcomes: Iterable[TaskOutcome], total: int) -> None:
        """Show how far it is, until the last one."""
        with self._talk.progress(total, "task") as view:
            for outcome in outcomes:
                self._counts[outcome.pushed] += 1
                view.advance(f"task {outcome.task}")

    def ended(self, journal: Journal, stops: StopSignals) -> Exit:
        """Say what was done, what failed and how to go on."""
        failed = self._counts[Pushed.FAILED]
        for failure in journal.failures(_REASONS_SHOWN):
            self._talk.error(f"task {failure.task}: {failure.reason}")
        if failed > _REASONS_SHOWN:
            self._talk.error(f"... and {failed - _REASONS_SHOWN} more")
        done = f"{self._counts[Pushed.STORED]} tasks got suggestions"
        if self._counts[Pushed.THERE]:
            done += f", {self._counts[Pushed.THERE]} had them meanwhile"
        if failed:
            done += f", {failed} failed; the same command tries those again"
        if stops.asked:
            self._talk.say(f"stopped; {done}. The same command goes on from here")
            return stops.exit
        self._talk.say(done)
        if not failed:
            return Exit.FINE
        return Exit.SOME_FAILED if failed < sum(self._counts.values()) else Exit.NOTHING_DONE


def push_all(
    request: PushRequest, studio: LabelStudio, stops: StopSignals, talk: Talk
) -> tuple[Exit, str]:
    """Push what is left to push; gives the model version, too."""
    number = request.push.project
    project = studio.project(number)  # a wrong number is told before weights are loaded
    backends = studio.backends(number)
    extra_params = backends[0].extra_params if len(backends) == 1 else {}
    images = LabelStudioImages.of(request.settings)
    progress = DownloadTalk(talk, lambda: stops.asked)
    session = LazySession(request.session.model, lambda: opened_session(request.session, progress))
    try:
        suggester = Suggester(
            session,
            images,
            request.settings.limited(request.suggest),
            Answers(limit=0),  # no task is asked for twice
            memory_of(request.settings),
        )
        source = _Source(suggester, project, extra_params)
        version = source.model_version
        _compare(version, backends, talk)
        path = journal_path(_journal_folder(request), studio.url, number, version)
        with Journal(path) as journal:
            left = studio.task_count(number, without_version=version)
            talk.say(f"{left} of {project.task_count} tasks have no suggestions of {version} yet")
            push = Push(studio, journal, partial(source.suggest, stops), version, request.push)
            report = PushReport(talk)
            with suppress(Cancelled):
                report.follow(push.run(lambda: stops.asked), left)
            if request.push.show and not stops.asked and project.model_version != version:
                studio.show_predictions_of(number, version)
            return report.ended(journal, stops), version
    finally:
        images.close()
        session.close()


def _compare(version: str, backends: Iterable[RemoteBackend], talk: Talk) -> None:
    for backend in backends:
        if backend.model_version and backend.model_version != version:
            talk.warn(
                f"the connected backend {backend.url} suggests as {backend.model_version}, this "
                f"push as {version}; give serve and push the same flags, or annotators see both"
            )


def _journal_folder(request: PushRequest) -> Path:
    folder = request.push.journal or request.settings.data
    if folder is None:
        raise OptionError("a push has to note what it sent; give a folder with --journal")
    return folder
