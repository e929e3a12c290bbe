"""What Label Studio tells: annotations that were made or changed, and Start Training."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from ovseg_annotate.formats.fields import Field

START_TRAINING = "START_TRAINING"
ACTIONS = frozenset(
    {
        "ANNOTATION_CREATED",
        "ANNOTATION_UPDATED",
        "ANNOTATIONS_CREATED",
        "ANNOTATIONS_DELETED",
        "PROJECT_UPDATED",
        "TASKS_CREATED",
        "TASKS_DELETED",
        START_TRAINING,
    }
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Event:
    """One message, reduced to what it points at: the content is read from the server itself.

    Label Studio sends a message once. Whoever learns from corrections exports them.
    """

    action: str  # one of ACTIONS
    job: str  # a name that no other event has, for what may come of it
    project: int
    tasks: tuple[int, ...] = ()
    annotations: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of an event."""

    note: str  # for the person who reads the answer or the log
    began: bool = False  # whether work began under the job of the event


class Events(Protocol):
    """Who wants to know."""

    def take(self, event: Event) -> Receipt:
        """Return at once: an annotator's save waits for this."""


class NotLearning:
    """Says honestly that nothing is learnt from corrections."""

    def take(self, event: Event) -> Receipt:
        if event.action == START_TRAINING:
            _log.warning(
                "project %d asked for training: start with serve --learn to learn from corrections",
                event.project,
            )
            return Receipt(
                "nothing was started: this server was started without --learn; the corrections "
                "are safe in Label Studio"
            )
        return Receipt("noted; this server was started without --learn")


def read_event(body: Field) -> Event | None:
    """Read a webhook; None for an action that nobody needs."""
    action = body.get("action").text()
    if action not in ACTIONS:
        return None
    return Event(
        action=action,
        job=uuid.uuid4().hex,
        project=body.get("project").get("id").whole(),
        tasks=tuple(_ids(body, "task", "tasks")),
        annotations=tuple(_ids(body, "annotation", "annotations")),
    )


def _ids(body: Field, one: str, several: str) -> Iterable[int]:
    single, many = body.find(one), body.find(several)
    for entry in [*([] if single is None else [single]), *([] if many is None else many.items())]:
        yield entry.get("id").whole()
