"""What is remembered of a project between requests, each project by itself.

Label Studio tells a backend's extra parameters in /setup only, and what a person typed in the
request about one task only. Both count for the next tasks, and both are part of the version.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Protocol

from labelstudio_backend.words import Wording

_MAXIMUM_PROJECTS = 1024
_MAXIMUM_WORDS = 256  # concepts of a project; labeling configs come and go

_NOTHING: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class TypedWords:
    """Words that a person typed for a concept of one picture of the tasks."""

    image: str  # name of the Image tag
    wording: Wording
    is_own: bool = False  # the words of the labeling config again: nothing is to be remembered

    @property
    def place(self) -> tuple[str, str]:
        return self.image, self.wording.concept


@dataclass(frozen=True, slots=True)
class ProjectState:
    extra_params: Mapping[str, object] = field(default_factory=lambda: _NOTHING)
    typed: tuple[TypedWords, ...] = ()  # the last ones last

    @property
    def identity(self) -> str:
        """Differs when what was typed looks for something else."""
        return repr(tuple(sorted(self.typed, key=lambda each: each.place)))

    def wordings(self, image: str) -> tuple[Wording, ...]:
        return tuple(each.wording for each in self.typed if each.image == image)


class ProjectFiles(Protocol):
    """What outlives the process; `remembered.RememberedProjects` is a folder."""

    def read(self, project: str) -> ProjectState: ...

    def write(self, project: str, state: ProjectState) -> None: ...


class Projects:
    """The state of each project, the longest unused forgotten; safe to share between threads."""

    def __init__(self, files: ProjectFiles | None = None) -> None:
        self._files = files
        self._states: OrderedDict[str, ProjectState] = OrderedDict()
        self._lock = threading.Lock()

    def state(self, project: str) -> ProjectState:
        """What is known; nothing of a request that names no project."""
        if not project:
            return ProjectState()
        with self._lock:
            return self._known(project)

    def set_up(self, project: str, extra_params: Mapping[str, object]) -> None:
        """Remember what /setup brought."""
        given = MappingProxyType(dict(extra_params))
        self._update(project, lambda state: replace(state, extra_params=given))

    def typed(self, project: str, words: TypedWords) -> None:
        """Remember words; the last ones that were typed for a concept count."""

        def with_words(state: ProjectState) -> ProjectState:
            others = (each for each in state.typed if each.place != words.place)
            new = () if words.is_own else (words,)
            return replace(state, typed=(*others, *new)[-_MAXIMUM_WORDS:])

        self._update(project, with_words)

    def _update(self, project: str, change: Callable[[ProjectState], ProjectState]) -> None:
        if not project:
            return
        with self._lock:
            before = self._known(project)
            self._states[project] = after = change(before)
            if self._files is not None and after != before:
                self._files.write(project, after)

    def _known(self, project: str) -> ProjectState:
        """The state of a project, from its file if it is not at hand; the lock is held."""
        if project not in self._states:
            self._states[project] = ProjectState()
            if self._files is not None:
                self._states[project] = self._files.read(project)
            while len(self._states) > _MAXIMUM_PROJECTS:
                self._states.popitem(last=False)
        self._states.move_to_end(project)
        return self._states[project]
