"""What Label Studio sends to a machine-learning backend and what it expects back.

JSON is read here, at the edge, into frozen types; an error names the field that is wrong.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TypeVar

from labelstudio_backend.context import Context
from labelstudio_backend.errors import WireError
from ovseg_annotate.errors import FormatError
from ovseg_annotate.formats.fields import Field

__all__ = ["PredictRequest", "Prediction", "SetupRequest", "Task", "WireError"]

_NOTHING: Mapping[str, object] = MappingProxyType({})
_LARGEST_ID = 2**63 - 1

Parsed = TypeVar("Parsed")


@dataclass(frozen=True, slots=True)
class Task:
    """One task: what the project's images and dynamic labels are read from."""

    id: int | None  # None: a task that Label Studio does not store
    data: Mapping[str, object]

    @classmethod
    def parse(cls, body: object, where: str = "task") -> Task:
        return _read(body, where, _task)


@dataclass(frozen=True, slots=True)
class PredictRequest:
    """A batch of tasks, or with a context one task that a person is working on."""

    tasks: tuple[Task, ...]
    label_config: str  # the project's labeling config, XML
    project: str = ""  # Label Studio's name of the project: "<id>.<time of creation>"
    context: Context | None = None  # None: a batch
    extra_params: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def parse(cls, body: object, where: str = "request") -> PredictRequest:
        """Read the body of /predict; raises `WireError`."""
        return _read(body, where, _predict_request)


@dataclass(frozen=True, slots=True)
class SetupRequest:
    """What /setup brings, less the address and the token, which nothing here needs."""

    label_config: str
    project: str = ""
    extra_params: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def parse(cls, body: object, where: str = "request") -> SetupRequest:
        """Read the body of /setup; raises `WireError`."""
        return _read(body, where, _setup_request)


@dataclass(frozen=True, slots=True)
class Prediction:
    """The suggestion for one task."""

    result: tuple[Mapping[str, object], ...]  # Label Studio's result items
    score: float  # 0 to 1; low: ask a person first
    model_version: str
    failure: str | None = None  # why there is none
    is_interactive: bool = False  # asked for by a person at work; never stored

    def to_json(self) -> dict[str, object] | list[object]:
        """The item of /predict's `results`.

        A failure is `[]`: nothing is stored, and Label Studio asks again, while it would store an
        empty result for ever. The editor wants a result in any case.
        """
        if self.failure is not None and not self.is_interactive:
            return []
        return {
            "result": [dict(item) for item in self.result],
            "score": self.score,
            "model_version": self.model_version,
        }

    def renewed(self) -> Prediction:
        """The same with ids that were never used: the editor adds no region whose id it knows."""
        fresh = {item["id"]: uuid.uuid4().hex for item in self.result}
        items = []
        for item in self.result:
            parent = item.get("parentID")
            changed = {"id": fresh[item["id"]]} | ({"parentID": fresh[parent]} if parent else {})
            items.append({**item, **changed})
        return replace(self, result=tuple(items))


def _read(body: object, where: str, reader: Callable[[Field], Parsed]) -> Parsed:
    try:
        return reader(Field(body, where))
    except FormatError as error:
        raise WireError(str(error)) from error


def _task(source: Field) -> Task:
    number = source.find("id")
    data = source.get("data")
    return Task(
        id=None if number is None else number.whole(0, _LARGEST_ID),
        data=MappingProxyType(_table(data)),
    )


def _predict_request(source: Field) -> PredictRequest:
    tasks = tuple(_task(item) for item in source.get("tasks").items())
    parameters = source.find("params")
    asked = None if parameters is None else parameters.find("context")
    context = None if asked is None else Context.parse(asked)
    if context is not None and len(tasks) != 1:
        raise WireError(
            f"{source.where}.tasks: a request with a context is about one task, got {len(tasks)}"
        )
    return PredictRequest(
        tasks=tasks,
        label_config=source.get("label_config").text(),
        project=_project(source),
        context=context,
        extra_params=_extra_params(source),
    )


def _setup_request(source: Field) -> SetupRequest:
    return SetupRequest(
        label_config=source.get("schema").text(),
        project=_project(source),
        extra_params=_extra_params(source),
    )


def _project(source: Field) -> str:
    project = source.find("project")
    if project is None:
        return ""
    # A text from Label Studio, a plain number from people who call us themselves.
    return project.text() if isinstance(project.value, str) else str(project.whole())


def _extra_params(source: Field) -> Mapping[str, object]:
    extra = source.find("extra_params")
    return _NOTHING if extra is None or extra.value == "" else MappingProxyType(_table(extra))


def _table(source: Field) -> dict[str, object]:
    if not isinstance(source.value, dict):
        raise source.wrong("an object {...}")
    return source.value
