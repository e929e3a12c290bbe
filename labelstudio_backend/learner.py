"""Rounds of learning in all projects of one server that were connected with --learn."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from labelstudio_backend.door_state import states_in
from labelstudio_backend.errors import LearningError
from labelstudio_backend.head_tuning import Tuning
from labelstudio_backend.label_config import read_label_config
from labelstudio_backend.learning import ProjectLearning, Standing, Workshop
from labelstudio_backend.learning_door import Stops
from labelstudio_backend.lessons import LEARNING
from labelstudio_backend.suggest_options import with_extra_params


class Learner:
    """Learns in one project at a time; for one thread."""

    def __init__(
        self, workshop: Workshop, data: Path, learn_after: int, tuning: Tuning | None = None
    ) -> None:
        self._workshop = workshop
        self._data = data
        self._learn_after = learn_after
        self._tuning = tuning
        self._opened: dict[str, ProjectLearning] = {}  # by the uid of the project

    def round(self, project: int, stops: Stops, *, asked: bool) -> str:
        """Take up answers, refresh if asked or if enough came, suggest anew until stopped.

        Says what came of it.
        """
        standing = self._standing(project)
        learning = self._learning(standing.remote.uid)
        said = []
        changed = learning.take_up(standing)
        if changed:
            said.append(f"{changed} {'correction' if changed == 1 else 'corrections'} taken up")
        if asked or learning.waiting >= self._learn_after:
            said.append(learning.refresh(standing, stops.all).sentence)
        said.append(learning.fine_tune(standing, stops.all))
        said.append(learning.renew(standing, stops.suggesting))
        return "; ".join(filter(None, said)) or "nothing has changed"

    def projects(self) -> Iterable[int]:
        """The numbers of all projects that were learnt from before."""
        server = self._workshop.settings.label_studio_url
        return [state.project for state in states_in(self._data / LEARNING, server)]

    def behind(self) -> Iterable[int]:
        """The projects whose open tasks lack suggestions of the version that is in service.

        And those whose fine-tuning has ended, so that what came of it is judged.
        """
        server = self._workshop.settings.label_studio_url
        for state in states_in(self._data / LEARNING, server):
            lesson = self._workshop.memory.lessons.of(state.uid)
            tuned = state.uid in self._opened and self._opened[state.uid].is_tuned
            if tuned or state.renewed != ("" if lesson is None else lesson.digest):
                yield state.project

    def close(self) -> None:
        """Let go of the journals."""
        for learning in self._opened.values():
            learning.close()
        self._opened.clear()

    def _standing(self, project: int) -> Standing:
        remote = self._workshop.studio.project(project)
        config = read_label_config(remote.label_config)
        for backend in self._workshop.studio.backends(project):
            options = with_extra_params(self._workshop.options, backend.extra_params).options
            if options.learn:
                return Standing(remote, backend, config, options)
        raise LearningError(
            f"project {project} is not to be learnt from; run: ovseg-label-studio connect "
            f"--project {project} --learn"
        )

    def _learning(self, uid: str) -> ProjectLearning:
        if uid not in self._opened:
            self._opened[uid] = ProjectLearning(self._data, uid, self._workshop, self._tuning)
        return self._opened[uid]
