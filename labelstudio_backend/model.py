"""The model class for people who already run Label Studio's own backend server.

    from label_studio_ml.api import init_app
    from labelstudio_backend.model import OvsegBackend
    app = init_app(model_class=OvsegBackend)

Settings come from the environment, as for our own server; OVSEG_MODEL names the model. Works under
label-studio-ml 1.0.9 and 2.x. Importing label_studio_ml sets torch's way of starting processes,
which is why nothing else of this package imports it.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Mapping, Sequence

from label_studio_ml.model import LabelStudioMLBase  # type: ignore[import-untyped]

from labelstudio_backend.answers import Answers
from labelstudio_backend.images import LabelStudioImages
from labelstudio_backend.memory import memory_of
from labelstudio_backend.settings import read_settings
from labelstudio_backend.suggest_options import SuggestOptions
from labelstudio_backend.suggester import Suggester
from labelstudio_backend.wire import PredictRequest
from ovseg_annotate.catalog import DEFAULT_MODEL
from ovseg_annotate.cli.sessions import SessionOptions, opened_session
from ovseg_annotate.web.background import BackgroundSession

_log = logging.getLogger(__name__)


@functools.cache
def suggester_from_environment() -> Suggester:
    """One for the whole process: the stock servers make a new model object for every request."""
    settings = read_settings(os.environ, {})
    model = SessionOptions(model=os.environ.get("OVSEG_MODEL") or DEFAULT_MODEL)
    sessions = BackgroundSession(
        model.model, lambda told: opened_session(model, told), settings.loading_seconds
    )
    sessions.start()
    images = LabelStudioImages.of(settings)
    options = settings.limited(SuggestOptions())
    return Suggester(sessions, images, options, Answers(), memory_of(settings))


class OvsegBackend(LabelStudioMLBase):  # type: ignore[misc]
    """Turns the calls of either version of the base class into requests to one suggester."""

    def __init__(
        self,
        project_id: str | None = None,
        label_config: str | None = None,
        **given: object,  # 1.0.9 passes host, token and the last training
    ) -> None:
        # Before the base class, which calls `setup` in 2.x.
        self._project = "" if project_id is None else str(project_id)
        self._config = label_config or ""
        super().__init__(project_id=project_id, label_config=label_config, **given)

    def suggester(self) -> Suggester:
        """Who answers."""
        return suggester_from_environment()

    def setup(self) -> None:
        """Tell 2.x the version that /setup announces; 1.0.9 has versions of its own."""
        if self._config:
            version = self.suggester().model_version(self._config, {}, self._project)
            self.set("model_version", version)

    def predict(
        self,
        tasks: Sequence[Mapping[str, object]],
        context: Mapping[str, object] | None = None,
        **_: object,  # login and password of the project, which nothing here needs
    ) -> list[dict[str, object] | list[object]]:
        """Suggestions, one a task; `[]` where there is none."""
        request = PredictRequest.parse(
            {
                "tasks": list(tasks),
                "label_config": self._config,
                "project": self._project,
                "params": {"context": context},
            }
        )
        predictions = self.suggester().predict(request, lambda: False)
        for task, prediction in zip(request.tasks, predictions, strict=True):
            if prediction.failure is not None:
                _log.warning("task %s has no suggestion: %s", task.id, prediction.failure)
        return [prediction.to_json() for prediction in predictions]

    def fit(self, *given: object, **named: object) -> dict[str, object]:
        """Say honestly that nothing is learnt here; versions that were learnt elsewhere serve."""
        first = next((each for each in given if isinstance(each, str)), "an event")
        event = str(named.get("event") or first)
        reason = "only ovseg-label-studio serve --learn learns from corrections"
        _log.info("%s: %s; nothing was trained", event, reason)
        return {"trained": False, "reason": reason}
