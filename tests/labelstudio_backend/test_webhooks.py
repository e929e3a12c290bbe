from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from scripted_backend import GUARDED, ScriptedBackend

from labelstudio_backend.webhooks import Event, Receipt


@dataclass
class RecordingEvents:
    """Begins a job for every event."""

    taken: list[Event] = field(default_factory=list)

    def take(self, event: Event) -> Receipt:
        self.taken.append(event)
        return Receipt("learning", began=True)


def test_a_webhook_comes_in_with_the_secret_header_alone() -> None:
    body = {"action": "ANNOTATION_CREATED", "project": {"id": 3}}
    with ScriptedBackend(settings=GUARDED).client() as client:
        known = client.post("/webhook", json=body, headers={"X-Webhook-Token": "hook-beef"})
        wrong = client.post("/webhook", json=body, headers={"X-Webhook-Token": "hook-feed"})
    assert (known.status_code, wrong.status_code) == (200, 401)


@pytest.mark.parametrize(
    ("action", "extra", "tasks", "annotations"),
    [
        ("ANNOTATION_CREATED", {"annotation": {"id": 3}, "task": {"id": 1}}, (1,), (3,)),
        ("ANNOTATION_UPDATED", {"annotation": {"id": 3}, "task": {"id": 1}}, (1,), (3,)),
        ("ANNOTATIONS_DELETED", {"annotations": [{"id": 3}, {"id": 4}]}, (), (3, 4)),
        ("TASKS_CREATED", {"tasks": [{"id": 7, "data": {}}]}, (7,), ()),
        ("PROJECT_UPDATED", {}, (), ()),
        ("START_TRAINING", {}, (), ()),
    ],
)
def test_an_event_is_handed_on(
    action: str, extra: Mapping[str, object], tasks: tuple[int, ...], annotations: tuple[int, ...]
) -> None:
    events = RecordingEvents()
    with ScriptedBackend(events=events).client() as client:
        answer = client.post("/webhook", json={"action": action, "project": {"id": 3}, **extra})
    (event,) = events.taken
    assert (event.action, event.project) == (action, 3)
    assert (event.tasks, event.annotations) == (tasks, annotations)
    assert (answer.status_code, answer.json()["job"]) == (202, event.job)


def test_every_event_has_a_job_of_its_own() -> None:
    events = RecordingEvents()
    with ScriptedBackend(events=events).client() as client:
        for _ in range(50):
            client.post("/webhook", json={"action": "START_TRAINING", "project": {"id": 3}})
    assert len({event.job for event in events.taken}) == 50


def test_an_unknown_event_is_ignored() -> None:
    events = RecordingEvents()
    with ScriptedBackend(events=events).client() as client:
        answer = client.post("/webhook", json={"action": "LABEL_LINK_CREATED", "link": 3})
    assert (answer.status_code, answer.json()) == (200, {"status": "ignored"})
    assert events.taken == []


def test_start_training_is_answered_honestly_and_names_no_job() -> None:
    with ScriptedBackend().client() as client:
        answer = client.post("/webhook", json={"action": "START_TRAINING", "project": {"id": 3}})
    assert answer.status_code == 200
    assert "nothing was started" in answer.json()["detail"]
    assert "job" not in answer.json()
