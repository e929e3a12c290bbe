"""The server around a suggester whose answers are written down."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from starlette.testclient import TestClient

from labelstudio_backend.app import create_app
from labelstudio_backend.settings import Settings, read_settings
from labelstudio_backend.webhooks import Events, NotLearning
from labelstudio_backend.wire import Prediction, PredictRequest, Task
from ovseg_annotate.web.background import ModelStatus

PASSWORD = {"BASIC_AUTH_USER": "ada", "BASIC_AUTH_PASS": "pässwörd", "WEBHOOK_TOKEN": "hook-beef"}
GUARDED = read_settings(PASSWORD, {})
VERSION = "ovseg-0123456789ab"


@dataclass
class ScriptedSuggester:
    """Answers every task with one region; `acts` is called before, once a request."""

    acts: Callable[[PredictRequest, Callable[[], bool]], None] = lambda *_: None
    fails: Callable[[Task], str | None] = lambda _: None
    asked: list[PredictRequest] = field(default_factory=list)

    def model_version(
        self, label_config: str, extra_params: Mapping[str, object], project: str = ""
    ) -> str:
        del label_config, extra_params, project
        return VERSION

    def predict(
        self, request: PredictRequest, stopped: Callable[[], bool]
    ) -> tuple[Prediction, ...]:
        self.asked.append(request)
        self.acts(request, stopped)
        return tuple(self._prediction(request, task) for task in request.tasks)

    def _prediction(self, request: PredictRequest, task: Task) -> Prediction:
        return Prediction(
            ({"id": "r1", "type": "polygonlabels", "value": {"polygonlabels": ["red"]}},),
            0.5,
            VERSION,
            failure=self.fails(task),
            is_interactive=request.context is not None,
        )


@dataclass
class Loaded:
    """Weights whose state is as a test wants it."""

    model: str = "fake@none"
    status: ModelStatus = ModelStatus("ready")  # noqa: RUF009  frozen


@dataclass
class ScriptedBackend:
    """An application and everything around it."""

    suggester: ScriptedSuggester = field(default_factory=ScriptedSuggester)
    sessions: Loaded = field(default_factory=Loaded)
    settings: Settings = field(default_factory=Settings)
    events: Events = field(default_factory=NotLearning)

    def client(self) -> TestClient:
        app = create_app(self.settings, self.suggester, self.sessions, self.events)
        return TestClient(app, raise_server_exceptions=False)


class Hold:
    """Keeps requests in work until it is released, and says how many it holds."""

    def __init__(self) -> None:
        self._came = threading.Semaphore(0)
        self.released = threading.Event()

    def __call__(self, request: PredictRequest, stopped: Callable[[], bool]) -> None:
        del request
        self._came.release()
        while not self.released.wait(0.01):
            if stopped():
                return

    def wait_for(self, count: int) -> None:
        for _ in range(count):
            assert self._came.acquire(timeout=20)


def batch_body(*task_ids: int) -> dict[str, object]:
    """The body of a batch, as Label Studio 1.23 sends it."""
    return {
        "tasks": [
            {
                "id": number,
                "project": 3,
                "inner_id": number,
                "meta": {},
                "data": {"image": f"/data/upload/3/{number}.png"},
                "total_annotations": 0,
                "is_labeled": False,
                "annotations": [],
                "predictions": [{"id": 5, "model_version": "old", "score": 0.9, "result": []}],
            }
            for number in task_ids
        ],
        "project": "3.1795167173",
        "label_config": CONFIG,
        "params": {"login": None, "password": None, "context": None},
    }


CONFIG = (
    '<View><Image name="image" value="$image"/><TextArea name="prompt" toName="image"/>'
    '<PolygonLabels name="poly" toName="image"><Label value="red" predicted_values="a red car"/>'
    '<Label value="sky" negative="true"/></PolygonLabels></View>'
)
TYPED = {
    "value": {"text": ["a red car"]},
    "id": "GpoO33aKUq",
    "from_name": "prompt",
    "to_name": "image",
    "type": "textarea",
    "origin": "manual",
}
