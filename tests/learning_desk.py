"""A learner of the Label Studio backend before a fake Label Studio."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from fake_label_studio import PROJECT, UID, FakeLabelStudio
from loopback import listening
from suggesting import PLAIN, OpenedSession, PicturesInMemory, picture
from vector_engine import vector_session

from labelstudio_backend.answers import Answers
from labelstudio_backend.label_studio import LabelStudio
from labelstudio_backend.learner import Learner
from labelstudio_backend.learning import Workshop
from labelstudio_backend.learning_door import Stops
from labelstudio_backend.lessons import learning_folder
from labelstudio_backend.memory import memory_of
from labelstudio_backend.rest import RestClient
from labelstudio_backend.settings import Settings
from labelstudio_backend.suggester import Suggester
from labelstudio_backend.switching import versions_of
from labelstudio_backend.tokens import Tokens
from ovseg_annotate.formats.label_studio_results import LabelStudioOptions, results_of
from ovseg_annotate.geometry import Size
from ovseg_annotate.learning_loop.versions import Versions
from ovseg_annotate.regions import AnnotatedImage, Mask, Region
from ovseg_annotate.vocabulary import Vocabulary
from ovseg_annotate.web.retries import Patience

SIZE = Size(height=64, width=96)
# The engine knows no such thing: all that it can know of it, it has learnt.
CONFIG = """<View><Image name="image" value="$image"/>
  <BrushLabels name="brush" toName="image"><Label value="thing" predicted_values="mystery"/>
    <Label value="rest" predicted_values="grey" negative="true"/></BrushLabels></View>"""
NEVER: Callable[[], bool] = lambda: False  # noqa: E731


def place(task: int) -> tuple[slice, slice]:
    """Where the thing is in the picture of a task."""
    return slice(8 * (task % 3), 8 * (task % 3) + 32), slice(8 * (task % 5), 8 * (task % 5) + 40)


def drawn(where: tuple[slice, slice]) -> list[dict[str, Any]]:
    mask = np.zeros((SIZE.height, SIZE.width), np.bool_)
    mask[where] = True
    region = Region("thing", (), Mask.of(mask))
    image = AnnotatedImage("a", SIZE, (region,), Vocabulary.parse("thing"), None)
    return results_of(image, LabelStudioOptions("brush", "brush", "image"))


@dataclass
class Desk:
    """A learner before a Label Studio, both as they stand now."""

    fake: FakeLabelStudio
    learner: Learner
    suggester: Suggester
    settings: Settings

    @property
    def folder(self) -> Path:
        assert self.settings.data is not None
        return learning_folder(self.settings.data, self.settings.label_studio_url, UID)

    @property
    def versions(self) -> Versions:
        return versions_of(self.settings, UID)

    @property
    def model_version(self) -> str:
        return self.suggester.model_version(CONFIG, {"learn": True}, UID)

    def round(
        self,
        *,
        asked: bool = False,
        stopped: Callable[[], bool] = NEVER,
        closing: Callable[[], bool] = NEVER,
    ) -> str:
        return self.learner.round(PROJECT, Stops(closing, stopped), asked=asked)


def label_studio(tasks: int = 6) -> FakeLabelStudio:
    fake = FakeLabelStudio(tasks, config=CONFIG)
    fake.backends.append(
        {"id": 1, "url": "http://127.0.0.1:9090", "title": "ovseg", "extra_params": {"learn": True}}
    )
    return fake


@contextmanager
def desk_at(fake: FakeLabelStudio, data: Path, learn_after: int = 1000) -> Iterator[Desk]:
    with ExitStack() as stack:
        # One address for all starts: a data folder belongs to it.
        settings = Settings(data=data)
        url = stack.enter_context(listening(fake.app))
        tokens = stack.enter_context(closing(Tokens(url, "a-plain-token")))
        patience = Patience(attempts=2, first_wait=0.001, longest_wait=0.002)
        client = stack.enter_context(closing(RestClient(url, tokens, patience)))
        sessions, memory = OpenedSession(vector_session()), memory_of(settings)
        files = {
            f"/data/upload/3/{task}.png": picture({"green": place(task)})
            for task in range(1, fake.task_count + 1)
        }
        images = PicturesInMemory(files)
        suggester = Suggester(sessions, images, PLAIN, Answers(), memory)
        workshop = Workshop(
            LabelStudio(client), suggester, sessions, images, memory, settings, PLAIN
        )
        learner = stack.enter_context(closing(Learner(workshop, data, learn_after)))
        yield Desk(fake, learner, suggester, settings)


def answered(fake: FakeLabelStudio, *tasks: int) -> None:
    for task in tasks:
        fake.annotate(task, drawn(place(task)))
