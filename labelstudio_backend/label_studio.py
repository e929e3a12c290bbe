"""What connecting and pushing ask of Label Studio, as typed calls."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from labelstudio_backend.rest import LabelStudioError, RestClient
from ovseg_annotate.formats.fields import Field

_PAGE = 100  # tasks
_NOT_FOUND = 404
_ANSWERED = {
    "filter": "filter:tasks:total_annotations",
    "operator": "greater",
    "type": "Number",
    "value": 0,
}


@dataclass(frozen=True, slots=True)
class RemoteProject:
    id: int
    uid: str  # as Label Studio names it to backends
    title: str
    label_config: str
    model_version: str  # of the predictions that annotators are shown
    task_count: int


@dataclass(frozen=True, slots=True)
class RemoteTask:
    id: int
    data: Mapping[str, object]
    annotations: int  # how many a person made


@dataclass(frozen=True, slots=True)
class AnsweredTask:
    """A task with annotations; `stamp` differs when they do."""

    id: int
    data: Mapping[str, object]
    stamp: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The annotation of a task that counts, and the prediction it began with."""

    results: Field  # the items of the annotation
    suggested: Field | None = None  # those of the prediction
    version: str = ""  # of the prediction


@dataclass(frozen=True, slots=True)
class RemoteBackend:
    """A backend that is connected to a project."""

    id: int
    url: str
    title: str
    state: str  # "CO": connected; others: an error, training, not asked yet
    model_version: str
    problem: str
    extra_params: Mapping[str, object]

    @property
    def is_connected(self) -> bool:
        """Whether Label Studio reached it when it was asked."""
        return self.state == "CO"


@dataclass(frozen=True, slots=True)
class RemoteWebhook:
    id: int
    url: str
    headers: Mapping[str, object]


class LabelStudio:
    """One server as one user; safe to share between threads."""

    def __init__(self, client: RestClient) -> None:
        self._client = client

    @property
    def url(self) -> str:
        return self._client.url

    def release(self) -> str:
        """The version of the server."""
        return self._client.get("/api/version").get("release").text()

    def project(self, project: int) -> RemoteProject:
        found = self._client.get(f"/api/projects/{project}/")
        version = found.find("model_version")
        return RemoteProject(
            id=found.get("id").whole(),
            uid=_uid(found),
            title=found.get("title").text(),
            label_config=found.get("label_config").text(),
            model_version="" if version is None else version.text(),
            task_count=found.get("task_number").whole(),
        )

    def has_project(self, project: int) -> bool:
        """Whether it is there, and not deleted meanwhile."""
        try:
            self._client.get(f"/api/projects/{project}/")
        except LabelStudioError as error:
            if error.status == _NOT_FOUND:
                return False
            raise
        return True

    def show_predictions_of(self, project: int, model_version: str) -> None:
        """Choose whose predictions annotators are shown and tasks are ordered by."""
        self._client.patch(f"/api/projects/{project}/", {"model_version": model_version})

    def tasks(self, project: int, without_version: str) -> Iterator[RemoteTask]:
        """Tasks without a prediction of that version, by rising id, page after page.

        Each page begins behind the last id: tasks that come or go meanwhile shift nothing.
        """
        behind = 0
        while True:
            page = self._tasks(project, _PAGE, _filters(behind, _without(without_version)))
            found = [_task(each) for each in page.get("tasks").items()]
            yield from found
            if not found:
                return
            behind = max(task.id for task in found)

    def answered_tasks(self, project: int) -> Iterator[AnsweredTask]:
        """Tasks that people have annotated, by rising id, page after page."""
        behind = 0
        while True:
            page = self._tasks(project, _PAGE, _filters(behind, _ANSWERED))
            found = [_answered_task(each) for each in page.get("tasks").items()]
            yield from found
            if not found:
                return
            behind = max(task.id for task in found)

    def is_answered(self, task: int) -> bool:
        """Whether a person has annotated a task."""
        found = self._client.get(f"/api/tasks/{task}/").find("annotations")
        return found is not None and any(not _is_cancelled(each) for each in found.items())

    def answer(self, task: int) -> Answer | None:
        """The annotation of a task that was changed last and not cancelled, if there is one."""
        found = self._client.get(f"/api/tasks/{task}/").find("annotations")
        given = [] if found is None else list(found.items())
        valid = [each for each in given if not _is_cancelled(each)]
        if not valid:
            return None
        last = max(valid, key=lambda each: each.get("updated_at").text())
        parent = last.find("parent_prediction")
        prediction = None if parent is None else self._prediction(parent.whole())
        if prediction is None:
            return Answer(last.get("result"))
        return Answer(
            last.get("result"), prediction.get("result"), _text(prediction, "model_version")
        )

    def _prediction(self, number: int) -> Field | None:
        """A stored prediction; None where it was deleted since."""
        try:
            return self._client.get(f"/api/predictions/{number}/")
        except LabelStudioError as error:
            if error.status == _NOT_FOUND:
                return None
            raise

    def order_by_uncertainty(self, project: int) -> None:
        """Give annotators the task with the lowest score first."""
        self._client.patch(f"/api/projects/{project}/", {"sampling": "Uncertainty sampling"})

    def task_count(self, project: int, without_version: str) -> int:
        """How many tasks have no prediction of that version."""
        query = _filters(0, _without(without_version))
        return self._tasks(project, 1, query).get("total").whole()

    def has_prediction(self, task: int, model_version: str) -> bool:
        """Whether a task has a prediction of that version."""
        stored = self._client.get("/api/predictions/", task=task)
        versions = (each.find("model_version") for each in stored.items())
        return any(version is not None and version.value == model_version for version in versions)

    def add_prediction(self, task: int, prediction: Mapping[str, object]) -> None:
        """Store a prediction; raises UnknownOutcomeError when it may or may not be stored."""
        self._client.post("/api/predictions/", {"task": task, **prediction})

    def backends(self, project: int) -> tuple[RemoteBackend, ...]:
        found = self._client.get("/api/ml/", project=project)
        return tuple(_backend(each) for each in found.items())

    def add_backend(self, settings: Mapping[str, object]) -> RemoteBackend:
        return _backend(self._client.post("/api/ml/", settings))

    def change_backend(self, backend: int, settings: Mapping[str, object]) -> RemoteBackend:
        return _backend(self._client.patch(f"/api/ml/{backend}", settings))

    def webhooks(self, project: int) -> tuple[RemoteWebhook, ...]:
        found = self._client.get("/api/webhooks/", project=project)
        return tuple(_webhook(each) for each in found.items())

    def add_webhook(self, settings: Mapping[str, object]) -> None:
        self._client.post("/api/webhooks/", settings)

    def change_webhook(self, webhook: int, settings: Mapping[str, object]) -> None:
        self._client.patch(f"/api/webhooks/{webhook}/", settings)

    def _tasks(self, project: int, page_size: int, query: Mapping[str, object]) -> Field:
        return self._client.get(
            "/api/tasks",
            project=project,
            page_size=page_size,
            fields="task_only",
            resolve_uri="false",  # addresses as they are stored, which do not expire
            query=json.dumps(query),
        )


def _filters(behind: int, other: Mapping[str, object]) -> dict[str, object]:
    """A query of the Data Manager: ids above one, in order, that pass another filter."""
    above = {"filter": "filter:tasks:id", "operator": "greater", "type": "Number", "value": behind}
    filters = {"conjunction": "and", "items": [above, dict(other)]}
    return {"ordering": ["tasks:id"], "filters": filters}


def _without(model_version: str) -> dict[str, object]:
    return {
        "filter": "filter:tasks:predictions_model_versions",
        "operator": "not_contains",
        "type": "String",
        "value": [model_version],  # a bare text is read letter by letter
    }


def _answered_task(found: Field) -> AnsweredTask:
    task = _task(found)
    stamp = f"{found.get('updated_at').text()} {task.annotations}"
    return AnsweredTask(task.id, task.data, stamp)


def _is_cancelled(annotation: Field) -> bool:
    """Whether a person skipped the task."""
    cancelled = annotation.find("was_cancelled")
    return cancelled is not None and cancelled.value is True


def _uid(project: Field) -> str:
    """The number of a project and the second of its making."""
    made = project.get("created_at")
    try:
        second = int(datetime.fromisoformat(made.text()).timestamp())
    except ValueError as error:
        raise made.wrong("a time such as 2026-01-31T12:00:00Z") from error
    return f"{project.get('id').whole()}.{second}"


def _task(found: Field) -> RemoteTask:
    data = found.get("data")
    if not isinstance(data.value, dict):
        raise data.wrong("an object {...}")
    annotations = found.find("total_annotations")
    count = 0 if annotations is None else annotations.whole()
    return RemoteTask(found.get("id").whole(), data.value, count)


def _backend(found: Field) -> RemoteBackend:
    return RemoteBackend(
        id=found.get("id").whole(),
        url=found.get("url").text(),
        title=_text(found, "title"),
        state=_text(found, "state"),
        model_version=_text(found, "model_version"),
        problem=_text(found, "error_message"),
        extra_params=_table(found, "extra_params"),
    )


def _webhook(found: Field) -> RemoteWebhook:
    return RemoteWebhook(found.get("id").whole(), found.get("url").text(), _table(found, "headers"))


def _text(found: Field, name: str) -> str:
    value = found.find(name)
    return "" if value is None else value.text()


def _table(found: Field, name: str) -> Mapping[str, object]:
    value = found.find(name)
    return value.value if value is not None and isinstance(value.value, dict) else {}
