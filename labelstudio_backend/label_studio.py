"""What connecting and pushing ask of Label Studio, as typed calls."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from labelstudio_backend.rest import RestClient
from ovseg_annotate.formats.fields import Field

_PAGE = 100  # tasks


@dataclass(frozen=True, slots=True)
class RemoteProject:
    id: int
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
            title=found.get("title").text(),
            label_config=found.get("label_config").text(),
            model_version="" if version is None else version.text(),
            task_count=found.get("task_number").whole(),
        )

    def show_predictions_of(self, project: int, model_version: str) -> None:
        """Choose whose predictions annotators are shown and tasks are ordered by."""
        self._client.patch(f"/api/projects/{project}/", {"model_version": model_version})

    def tasks(self, project: int, without_version: str) -> Iterator[RemoteTask]:
        """Tasks without a prediction of that version, by rising id, page after page.

        Each page begins behind the last id: tasks that come or go meanwhile shift nothing.
        """
        behind = 0
        while True:
            page = self._tasks(project, _PAGE, _query(behind, without_version))
            found = [_task(each) for each in page.get("tasks").items()]
            yield from found
            if not found:
                return
            behind = max(task.id for task in found)

    def task_count(self, project: int, without_version: str) -> int:
        """How many tasks have no prediction of that version."""
        return self._tasks(project, 1, _query(0, without_version)).get("total").whole()

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


def _query(behind: int, without_version: str) -> dict[str, object]:
    """A query of the Data Manager: ids above one, in order."""
    above = {"filter": "filter:tasks:id", "operator": "greater", "type": "Number", "value": behind}
    without = {
        "filter": "filter:tasks:predictions_model_versions",
        "operator": "not_contains",
        "type": "String",
        "value": [without_version],  # a bare text is read letter by letter
    }
    filters = {"conjunction": "and", "items": [above, without]}
    return {"ordering": ["tasks:id"], "filters": filters}


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
