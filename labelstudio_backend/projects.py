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

from labelstudio_backend.words import Wording

_MAXIMUM_PROJECTS = 1024

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
    typed: tuple[TypedWords, ...] = ()

    def wordings(self, image: str) -> tuple[Wording, ...]:
        return tuple(each.wording for each in self.typed if each.image == image)


class Projects:
    """The state of each project, the longest unused forgotten; safe to share between threads."""

    def __init__(self) -> None:
        self._states: OrderedDict[str, ProjectState] = OrderedDict()
        self._lock = threading.Lock()

    def state(self, project: str) -> ProjectState:
        """What is known; nothing of a request that names no project."""
        with self._lock:
            return self._states.get(project, ProjectState())

    def set_up(self, project: str, extra_params: Mapping[str, object]) -> None:
        """Remember what /setup brought."""
        given = MappingProxyType(dict(extra_params))
        self._update(project, lambda state: replace(state, extra_params=given))

    def typed(self, project: str, words: TypedWords) -> None:
        """Remember words; the last ones that were typed for a concept count."""

        def with_words(state: ProjectState) -> ProjectState:
            others = (each for each in state.typed if each.place != words.place)
            new = () if words.is_own else (words,)
            return replace(state, typed=tuple(sorted((*others, *new), key=lambda each: each.place)))

        self._update(project, with_words)

    def _update(self, project: str, change: Callable[[ProjectState], ProjectState]) -> None:
        if not project:
            return
        with self._lock:
            self._states[project] = change(self._states.pop(project, ProjectState()))
            while len(self._states) > _MAXIMUM_PROJECTS:
                self._states.popitem(last=False)
